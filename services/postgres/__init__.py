"""PostgreSQL of one node: `python3 -m services.postgres` starts it, watches it and obeys the voters."""
