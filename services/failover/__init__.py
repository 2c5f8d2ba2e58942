"""A voter: it keeps leases of databases and activates standby services; `python3 -m services.failover`."""
