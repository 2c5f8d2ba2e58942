"""What can be observed of a run in progress."""
