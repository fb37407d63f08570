"""Pure transforms between HTTP and the values that the rest of the package works with."""
