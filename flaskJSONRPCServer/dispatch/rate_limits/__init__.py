"""Limits on how often each client may call: the option ``rateLimit``, by the library ``limits``.

Nothing here is loaded by a server that has none, and ``limits`` is imported when the first limit is read.
"""
