"""The URLs of a server in Flask applications."""
