"""The contract of a method: its types, its documentation, its OpenRPC document, and how two of them compare."""
