"""A project that somebody else started. Its nodes can be faulted; nothing of it is made, ended or removed."""
