"""A run's files: written once during the run, and read by everything that follows."""
