"""An endpoint by HTTP."""
