"""A voter: it keeps leases of databases and wakes standby services; `python3 -m services.failover`."""
