"""A long run under mixed load: ``python -m benchmarks.soak``, or ``make soak``."""
