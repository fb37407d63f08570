"""The contract of a method: its types, its documentation and its errors, read once from what its author wrote."""
