"""Typed views of a server, and the conversion of JSON values to the types of hints."""
