"""What keeps a server running: statistics, logging, garbage collection, limits of the process."""
