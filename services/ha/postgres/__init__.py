"""PostgreSQL of one node: `python3 -m services.ha.postgres` starts it, watches it and follows the voters."""
