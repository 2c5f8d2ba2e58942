"""A temporary helper container that enters the networks of several nodes and runs a program in each.

A container for each node would take a quarter of a second each, one after the other. This one has access to the
networks of these nodes only, each with the resolv.conf that the engine wrote for it, and has no network of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from chaos.errors import TargetError
from chaos.targets.docker.engine import Container, Engine
from chaos.targets.docker.enter import enter

if TYPE_CHECKING:
    from docker import APIClient

PLACE = "/nodes"  # PLACE/NODE/net and PLACE/NODE/resolv.conf in the helper container
_HOST = "default"  # the engine's name for the network of its host

# A child process for each node runs the program in its network, concurrently. Prints each exit code and output.
_EACH = """
import ctypes, json, os, sys, traceback
program, argv, names = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
libc, children = ctypes.CDLL(None, use_errno=True), {}
for name in names:
    ours, theirs = os.pipe()
    if pid := os.fork():
        os.close(theirs)
        children[name] = pid, ours
        continue
    os.dup2(theirs, 1), os.dup2(theirs, 2)
    code = 1
    try:
        if libc.setns(os.open(f"PLACE/{name}/net", os.O_RDONLY), 0x40000000):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        sys.argv = [""] + [word.format(place=f"PLACE/{name}", name=name) for word in argv]
        exec(compile(program, "program", "exec"), {"__name__": "__main__"})
        code = 0
    except SystemExit as e:
        code = 1 if e.code else 0
        if e.code:
            print(e.code)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)
said = {}
for name, (pid, ours) in children.items():
    with open(ours, "rb") as pipe:
        out = pipe.read().decode(errors="replace")
    said[name] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out
print(json.dumps(said))
""".replace("PLACE", PLACE)


async def within(
    engine: Engine, containers: Iterable[Container], program: str, argv: Sequence[str] = (), *capabilities: str
) -> Mapping[str, tuple[int, str]]:
    """Run a Python program in the network of each service; returns exit codes and outputs. All of them have to run.

    In `argv`, {place} stands for the folder of the node's files, and {name} for its name. Raises TargetError.
    """
    nodes = {c.node: c for c in containers}
    if not nodes:
        return {}
    details = await engine.ask(lambda api: {name: _network(api, c.id) for name, c in nodes.items()})
    if shared := sorted(name for name, (key, _) in details.items() if PurePosixPath(key).name in ("", _HOST)):
        raise TargetError(f"{', '.join(shared)}: no network of its own, so no program can be run in it")
    binds = [f"{key}:{PLACE}/{name}/net:ro" for name, (key, _) in details.items()]
    binds += [f"{resolv}:{PLACE}/{name}/resolv.conf:ro" for name, (_, resolv) in details.items() if resolv]
    command = ["python3", "-c", _EACH, program, json.dumps(list(argv)), *nodes]
    rights = " ".join(("SYS_ADMIN", *capabilities))
    said = await enter(engine, ", ".join(nodes), command, rights, network_mode="none", binds=binds)
    return {name: (int(code), str(out)) for name, (code, out) in json.loads(said).items()}


def _network(api: APIClient, id_: str) -> tuple[str, str]:
    """The path of the container's network on the engine's host, and the resolv.conf that the engine made."""
    found = api.inspect_container(id_)
    return str(found["NetworkSettings"].get("SandboxKey") or ""), str(found.get("ResolvConfPath") or "")
