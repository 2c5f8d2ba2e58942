"""What every program of the stack shares: the web scaffold, stores, calls between services, metrics, logs."""
