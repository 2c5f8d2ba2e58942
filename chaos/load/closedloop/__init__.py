"""The load process for a locustfile: `python -m chaos.load.closedloop`. Locust itself runs the users."""
