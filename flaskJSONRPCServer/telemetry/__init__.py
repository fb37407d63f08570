"""Traces of requests and calls, for those who operate a server."""
