"""The program `python3 -m services.ha.postgres`."""

from services.common.settings import SETTINGS
from services.ha.db_node import DbNode, data_dir, post
from services.ha.postgres import binaries
from services.ha.postgres.configuration import Wiring
from services.ha.postgres.folder import Folder
from services.ha.postgres.server import Postgres

PORT = 5432


def main() -> None:
    place, root, programs = post("POSTGRES"), data_dir(), binaries.find()
    password = SETTINGS.need("DB_PASSWORD")
    wiring = Wiring(SETTINGS.node, SETTINGS.bind, PORT, password, binaries.major(programs))
    folder = Folder(root, programs, wiring)
    DbNode("postgres", Postgres(folder, programs, wiring, place.peer), place, root).run()


if __name__ == "__main__":
    main()
