"""What operators see of a server: its traces."""
