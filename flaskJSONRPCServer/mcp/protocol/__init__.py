"""The messages of the protocol, and what is read from them and written into them. Nothing here does I/O."""
