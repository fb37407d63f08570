"""Signals for those who operate a server: metrics, health, the access log, traces."""
