"""The way from a request to the call of a registered function, and back to an answer."""
