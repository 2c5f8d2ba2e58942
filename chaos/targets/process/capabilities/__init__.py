"""What the embedded target can do to nodes: one class for each capability."""
