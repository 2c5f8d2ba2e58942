"""Shared by all programs of the stack: the web scaffold, stores, calls between services, metrics, logs."""
