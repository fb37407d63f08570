"""Tasks: long calls that are answered at once, and whose clients ask later for the result."""
