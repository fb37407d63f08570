"""Compare flaskJSONRPCServer with its peers over real sockets: ``python -m benchmarks.sockets``."""
