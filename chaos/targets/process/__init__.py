"""The embedded target: every service is a local process."""
