"""The users' file that `chaos init` writes: a journey for each port at which a stack can be asked."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping

from chaos.discovery.model import Door, Map

MOST = 6  # journeys: more would leave too few operations for each
_TAKEN = {"all"}  # words that mean something else where a journey is named

_HEAD = '''"""Users of this stack, as `chaos init` found it: each asks one port.

Write what your users really do: several requests, what an answer must hold, what is written and how it is read back.
The guide's page "Users and load" says how.
"""

from chaos.load.openloop import OpenUser, journey

ANSWERED = range(200, 500)  # a page that is missing, or asks for a log-in, is an answer; an error of the server is none
'''


def chosen(found: Map) -> Mapping[str, Door]:
    """The ports that are asked, by the name of a journey or a probe: those that speak HTTP if there are any."""
    web = [door for door in found.doors if door.http]
    doors = web or found.doors
    several = {name for name, count in Counter(door.component for door in doors).items() if count > 1}
    named: dict[str, Door] = {}
    for door in doors[:MOST]:
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", door.component)
        name = f"{plain}-{door.port}" if door.component in several or plain in {*_TAKEN, *named} else plain
        named[name] = door
    return named


def users(journeys: Mapping[str, Door]) -> str:
    """The file's text. Every port speaks HTTP."""
    return _HEAD + "".join(_user(n, name, door) for n, (name, door) in enumerate(journeys.items(), 1))


def _user(n: int, name: str, door: Door) -> str:
    letters = "".join(part.capitalize() for part in re.findall(r"[A-Za-z0-9]+", name)) or "Users"
    hosts = [f"http://{host}:{door.port}" for host in door.hosts]
    shown = "" if door.published else "  # not published: its port inside the stack"
    return f"""

class {f"User{n}" if letters[0].isdigit() else letters}(OpenUser):
    hosts = {json.dumps(hosts)}{shown}

    @journey({json.dumps(name)})
    def visit(self) -> None:
        self.get({json.dumps(door.path)}, accept=ANSWERED)
"""
