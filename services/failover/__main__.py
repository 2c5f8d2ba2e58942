"""The program `python3 -m services.failover`."""

from services.common.settings import SETTINGS
from services.common.web import Service
from services.failover.votes import Votes
from services.failover.watch import Watch
from services.ha.db_node import data_dir


def main() -> None:
    votes = Votes(data_dir() / "leases.json")
    watch = Watch([address.host for address in SETTINGS.peers("FAILOVER") if address.host != SETTINGS.node])
    routes = [*votes.routes(), *watch.routes()]
    Service("failover", parts=[watch], admin=routes, facts=lambda: {"leases": votes.facts()}).run()


if __name__ == "__main__":
    main()
