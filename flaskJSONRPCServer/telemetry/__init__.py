"""Signals for those who operate a server: health, the access log, traces."""
