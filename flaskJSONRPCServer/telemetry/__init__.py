"""What operators see of a server: metrics for Prometheus."""
