"""The contract of a method: what its author declares about it."""
