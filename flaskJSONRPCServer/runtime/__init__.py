"""The process around the server: statistics, logging, threads and greenlets, garbage collection, limits, signals."""
