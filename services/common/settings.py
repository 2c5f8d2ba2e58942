"""A program's settings from its environment (services/README.md, "Environment"), read in one place."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def addresses(text: str) -> tuple[Address, ...]:
    """`a:1,b:2` as addresses; an empty text is an empty list. Raises ValueError for anything else."""
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        host, colon, port = item.rpartition(":")
        if not (host and colon and port.isdigit()):
            raise ValueError(f"found {item!r}, expected host:port")
        found.append(Address(host, int(port)))
    return tuple(found)


@dataclass(frozen=True)
class Settings:
    """Fields have the names of the variables in lower case. Secrets are left out of repr, and thus of logs."""

    node: str
    zone: str
    bind: str
    active: bool
    environment: Mapping[str, str] = field(repr=False)

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        return cls(
            node=environment.get("NODE", "node"),
            zone=environment.get("ZONE", "-"),
            bind=environment.get("BIND", "0.0.0.0"),
            active=environment.get("ACTIVE", "1") != "0",
            environment=environment,
        )

    def peers(self, name: str) -> tuple[Address, ...]:
        """The addresses in the variable named after a component; none if it is not set."""
        try:
            return addresses(self.environment.get(name, ""))
        except ValueError as error:
            sys.exit(f"{self.node}: environment variable {name}: {error}; list peers as host:port,host:port")

    def need(self, name: str) -> str:
        """A variable without which the program cannot work. Ends the program with a message if it is missing."""
        value = self.environment.get(name, "")
        if not value:
            sys.exit(f"{self.node}: environment variable {name} is empty; docker-compose.yml shows what to set")
        return value

    def number(self, name: str, default: float) -> float:
        """A variable as a number. Ends the program with a message if it is not a number."""
        text = self.environment.get(name, "")
        try:
            return float(text) if text else default
        except ValueError:
            sys.exit(f"{self.node}: environment variable {name}: found {text!r}, expected a number")

    def flag(self, name: str) -> bool:
        return self.environment.get(name, "0") == "1"


SETTINGS = Settings.read()
