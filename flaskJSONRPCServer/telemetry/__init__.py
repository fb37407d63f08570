"""Signals for those who operate a server: its health."""
