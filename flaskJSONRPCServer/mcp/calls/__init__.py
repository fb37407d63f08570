"""The running call, as its function uses it: progress, log messages, and leaving before a result."""
