"""How requests travel: HTTP/1.1 for threads and for coroutines, streams, in the same process, and adapters."""
