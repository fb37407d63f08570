"""Transports of requests: HTTP/1.1 for threads and for coroutines, streams, in the same process, and adapters."""
