"""An endpoint over the standard streams of a process."""
