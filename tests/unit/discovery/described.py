"""Stacks as Compose would describe them, and their maps on the memory target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaos.discovery.looking import look
from chaos.discovery.model import Map
from chaos.errors import TargetError
from chaos.experiment import stack as stackfile
from chaos.experiment.stack import Stack
from chaos.protocols.capabilities import HOST, Hosted
from chaos.protocols.table import Table
from chaos.targets.memory.target import Memory

# Nobody's labels, two networks, replicas; a page, what it asks, and a database.
SHOP: dict[str, Any] = {
    "services": {
        "web": {
            "image": "web",
            "deploy": {"replicas": 2},
            "networks": {"front": None, "back": None},
            "depends_on": {"api": {"condition": "service_started"}},
            "ports": [{"target": 80, "protocol": "tcp"}, {"target": 8125, "published": "8125", "protocol": "udp"}],
        },
        "api": {
            "image": "api",
            "networks": {"back": {"aliases": ["backend"]}},
            "environment": {"DATABASE_URL": "postgres://me:81f-secret@db:5432/shop", "CACHE_HOST": "cache"},
            "healthcheck": {"test": ["CMD-SHELL", "curl -f http://localhost:7777/health || exit 1"]},
        },
        "worker": {
            "image": "worker",
            "networks": {"back": None},
            "command": ["work", "--queue", "cache:6379", "--api", "http://backend:7777/"],
        },
        "cache": {"image": "cache", "networks": {"back": None}, "expose": ["6379"]},
        "db": {"image": "db", "networks": {"back": None}},
    },
    "networks": {"front": {}, "back": {}},
}


def service(**labels: str) -> dict[str, Any]:
    return {"image": "x", "labels": {f"chaos.{key}": value for key, value in labels.items()}}


def stack(doc: dict[str, Any], folder: Path = Path("/nowhere")) -> Stack:
    return stackfile.read(folder / "compose.yaml", strict=False, resolve=lambda *_: doc, written={"services": {}})


class Inhabited(Memory):
    """It has a users' place, where nothing runs: enough to plan probes."""

    @property
    def can(self) -> Table:
        return Table(*super().can.rows, HOST.by(self))

    async def host(self, command: Sequence[str], run_dir: Path, log: str, shown: Sequence[Path] = ()) -> Hosted:
        raise TargetError("nothing runs here")

    async def fetch(self, node: str, port: int, path: str, timeout: float = 2.0) -> tuple[int, bytes]:
        raise TargetError("nothing runs here")


def target(found: Stack) -> Memory:
    return Inhabited(found.nodes)


def mapped(doc: dict[str, Any], folder: Path = Path("/nowhere")) -> Map:
    found = stack(doc, folder)
    return look(found, target(found))
