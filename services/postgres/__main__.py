"""The program `python3 -m services.postgres`."""

from services.common.settings import SETTINGS
from services.postgres import binaries
from services.postgres.configuration import Wiring
from services.postgres.folder import Folder
from services.postgres.server import Postgres
from services.station import Station, data_dir, post

PORT = 5432


def main() -> None:
    place, root, programs = post("POSTGRES"), data_dir(), binaries.find()
    password = SETTINGS.need("DB_PASSWORD")
    wiring = Wiring(SETTINGS.node, SETTINGS.bind, PORT, password, binaries.major(programs))
    folder = Folder(root, programs, wiring)
    Station("postgres", Postgres(folder, programs, wiring, place.peer), place, root).run()


if __name__ == "__main__":
    main()
