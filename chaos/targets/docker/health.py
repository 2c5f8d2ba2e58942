"""Health checks inside containers, through a shell that stays open in each of them.

Starting a process in a container costs the engine a tenth of a second of processor time, a child of an existing shell a
few milliseconds. While a zone boots, its nodes are checked several times a second.
"""

from __future__ import annotations

import shlex
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaos.targets.docker.engine import Engine, rank
from chaos.targets.docker.streams import Stream

if TYPE_CHECKING:
    from docker import APIClient


class Health:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._shells: dict[str, Stream] = {}
        self._one_at_a_time: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)  # by node

    async def passes(self, node: str, check: Sequence[str], within: float) -> bool:
        """Whether `check` exits with 0 in the node's container, in at most `within` seconds. Raises TargetError."""
        return await self._engine.ask(lambda api: self._check(api, node, check, within))

    def _check(self, api: APIClient, node: str, check: Sequence[str], within: float) -> bool:
        with self._one_at_a_time[node]:
            if (kept := self._shells.get(node)) and (code := self._say(node, kept, check, within)) is not None:
                return code == 0
            # There is no open shell, or the container has changed.
            every = self._engine.labelled(api, self._engine.nodes(), status="running")
            found = sorted((c for c in every if c.node == node), key=rank)
            if not found:
                return False
            made = api.exec_create(found[0].id, ["sh"], stdin=True)
            shell = Stream(api.exec_start(made["Id"], socket=True))
            code = self._say(node, shell, check, within)
            if code is None and api.exec_inspect(made["Id"])["ExitCode"] in (126, 127):  # an image without a shell
                return _plainly(api, found[0].id, check, within)
            return code == 0

    def _say(self, node: str, shell: Stream, check: Sequence[str], within: float) -> int | None:
        """The check's exit code; None if the shell is gone, or did not answer in time and was closed."""
        try:
            shell.write_line(f"{shlex.join(check)} </dev/null >/dev/null 2>&1; echo $?".encode())
            line = shell.read_line(time.monotonic() + within)
        except OSError:
            line = b""
        if line.isdigit():
            self._shells[node] = shell
            return int(line)
        shell.close()
        self._shells.pop(node, None)
        return None


def _plainly(api: APIClient, container: str, check: Sequence[str], within: float) -> bool:
    made = api.exec_create(container, list(check))
    stream = Stream(api.exec_start(made["Id"], socket=True))
    try:
        deadline = time.monotonic() + within
        stream.read_all(deadline)
        while (end := api.exec_inspect(made["Id"]))["Running"] and time.monotonic() < deadline:
            time.sleep(0.01)
        return bool(end["ExitCode"] == 0)
    except OSError:
        return False
    finally:
        stream.close()
