"""What can be done to containers of one or several Docker engines: one class for each capability."""
