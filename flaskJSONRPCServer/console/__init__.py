"""The console: pages on which people see a server at work, and what these pages ask the server for."""
