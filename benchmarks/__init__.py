"""Measurements of flaskJSONRPCServer. Run one from the project's root: ``python -m benchmarks.inprocess``."""
