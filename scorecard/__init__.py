"""The scorecard: checks of reliability and security over every serving backend, each against a real server."""
