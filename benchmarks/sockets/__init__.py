"""flaskJSONRPCServer against its peers, over real sockets: ``python -m benchmarks.sockets``."""
