"""The rate limits of each client: the option ``rateLimit``, with the library ``limits``.

A server without rate limits loads nothing of this package, and ``limits`` is imported when the first limit is parsed.
"""
