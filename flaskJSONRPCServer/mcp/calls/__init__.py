"""What a function does with the call that it runs in: reports, log messages, leaving it before its end."""
