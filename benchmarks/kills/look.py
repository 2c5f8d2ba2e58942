"""What there is of a stack and of the harness on it, asked of /proc, of netlink, of the engine; not of the harness.

A fact is a name and its state. What differs from the facts of a stack that nobody has hurt is broken; processes and
containers of the harness that have no business there any more are strays.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.kills import proc, tables
from benchmarks.kills.proc import Proc
from benchmarks.kills.rig import MARK, NODE_MARK, Rig

Facts = Mapping[str, str]
OFTEN_ANOTHER = {"_", "SHLVL", "PWD", "OLDPWD", "HOSTNAME"}  # variables that say nothing about a configuration
LIMITS = (
    "CpuQuota", "CpuPeriod", "CpuShares", "NanoCpus", "CpusetCpus", "Memory", "MemorySwap", "PidsLimit",
    "BlkioWeight", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "Dns", "ExtraHosts",
)  # fmt: skip


def differences(whole: Facts, now: Facts) -> list[str]:
    """In words; empty when nothing is broken."""
    of_nodes = {name.partition(": ")[0] for name in whole if ": " in name}
    gone = {node for node in of_nodes if not any(name.startswith(f"{node}: ") for name in now)}
    found = [f"{node}: gone" for node in sorted(gone)]
    for name in sorted(whole.keys() | now.keys()):
        if whole.get(name) != now.get(name) and name.partition(": ")[0] not in gone:
            found.append(f"{name}: {now.get(name, 'gone')}" + (f" (was {whole[name]})" if name in whole else ""))
    return [text[:300] for text in found]


def look_at(rig: Rig) -> Look:
    """Where nothing of this is allowed it raises OSError."""
    return Containers(rig) if rig.target == "compose" else Look(rig)


class Look:
    """On the embedded target: processes by a mark in their environment, and the box's own network namespace."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.at_home: set[tuple[int, int]] = set()  # processes of a standing stack itself
        self.whole: Facts = {}
        self._inside: subprocess.Popen[str] | None = None

    def settle(self) -> None:
        """What stands now is how it shall be."""
        self.at_home = {p.identity for p in self._ours()}
        box = [p for p in self._ours() if "box/init.py" in p.command and "unshare" not in p.command]
        if box:
            self._inside = subprocess.Popen(
                [sys.executable, "-I", tables.__file__, str(box[0].pid)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PATH": "/usr/bin:/bin"},
                start_new_session=True,  # a Ctrl-C is for the matrix, which still has to look
            )  # fmt: skip
        self.whole = self.facts()

    def close(self) -> None:
        if self._inside is not None:
            self._inside.communicate()
            self._inside = None
        self.at_home, self.whole = set(), {}

    def broken(self) -> list[str]:
        return differences(self.whole, self.facts())

    def strays(self) -> list[str]:
        """Who of the harness still runs, and is not part of a standing stack."""
        return [f"process {p.pid}: {p.command[:120]}" for p in self.stray_processes()]

    def stray_processes(self) -> list[Proc]:
        return [p for p in self._ours() if p.identity not in self.at_home]

    def _ours(self) -> list[Proc]:
        return proc.marked(f"{MARK}={self.rig.token}")

    def node_processes(self, name: str = "") -> list[Proc]:
        found = proc.marked(f"{NODE_MARK}={self.rig.token}")
        return [p for p in found if name in ("", p.value("NAME"))]

    def facts(self) -> Facts:
        found: dict[str, str] = {}
        nodes: dict[str, list[Proc]] = defaultdict(list)
        for p in self.node_processes():
            nodes[p.value("NAME")].append(p)
        for name, members in nodes.items():
            found |= {f"{name}: {k}": v for k, v in _of_node(members).items()}
        found |= {f"nft table {name}": "there" for name in self._tables()}
        return found

    def _tables(self) -> Sequence[str]:
        if self._inside is None or self._inside.stdin is None or self._inside.stdout is None:
            return []
        self._inside.stdin.write("\n")
        self._inside.stdin.flush()
        names: list[str] = json.loads(self._inside.stdout.readline())
        return names


class Containers(Look):
    """Under compose: what the engine says beside it, and tables of our name in the host's network."""

    def __init__(self, rig: Rig) -> None:
        import docker

        super().__init__(rig)
        tables.tables()  # raises OSError now rather than later
        self.api = docker.APIClient(version="auto", timeout=20)

    def close(self) -> None:
        super().close()
        self.api.close()

    def _tables(self) -> Sequence[str]:
        ours = f"chaos_{self.rig.project.replace('-', '_')}_"
        return [name for name in tables.tables() if name.startswith(ours)]

    def beside(self, kind: str = "") -> list[Any]:
        """Containers that the harness started beside the stack."""
        found = self.api.containers(all=True, filters={"label": f"chaos.project={self.rig.project}"})
        return [c for c in found if kind in ("", c["Labels"].get("chaos.kind"))]

    def containers(self) -> list[Any]:
        label = f"com.docker.compose.project={self.rig.project}"
        return list(self.api.containers(all=True, filters={"label": label}))

    def strays(self) -> list[str]:
        return [*super().strays(), *(f"container {c['Names'][0]}" for c in self.beside())]

    def facts(self) -> Facts:
        from docker.errors import NotFound

        found = dict(super().facts())
        services = Counter(row["Labels"]["com.docker.compose.service"] for row in self.containers())
        found |= {f"{name}: containers": str(count) for name, count in services.items()}
        for row in self.containers():
            name = row["Labels"]["com.docker.compose.service"]
            with suppress(NotFound):
                held = self.api.inspect_container(row["Id"])
                found[f"{name}: container"] = held["State"]["Status"]
                found[f"{name}: labels"] = str({k: v for k, v in row["Labels"].items() if k.startswith("chaos.")})
                found |= {f"{name}: {k}": v for k, v in _limits(held["HostConfig"]).items()}
                networks = held["NetworkSettings"]["Networks"]
                found[f"{name}: address"] = str({k: v["IPAddress"] for k, v in networks.items()})
        return found


def _limits(host: Mapping[str, Any]) -> Facts:
    """The engine cannot forget a limit, only set one that is none: a quota of 0 or -1, 0, -1 or 2**62 bytes."""
    found = {k: _limit(host.get(k)) for k in LIMITS}
    return found if (host.get("CpuQuota") or 0) > 0 else found | {"CpuQuota": "0", "CpuPeriod": "0"}


def _limit(figure: Any) -> str:
    return "0" if not figure or (isinstance(figure, int) and not 0 < figure < 1 << 60) else str(figure)


def _of_node(members: Sequence[Proc]) -> Facts:
    """How a node's processes are: which, frozen or not, with which variables, limits and names."""
    frozen = sum(p.state in "Tt" for p in members)
    found = {"processes": ", ".join(f"{n} x {c}" for c, n in sorted(Counter(p.command for p in members).items()))}
    if frozen:
        found["state"] = f"{frozen} of {len(members)} processes are frozen"
    variables = sorted(frozenset().union(*(p.environ for p in members)))  # several have one of another value each
    for entry in variables:
        name, _, value = entry.partition("=")
        if name not in OFTEN_ANOTHER and name:
            found[f"variable {name}"] = "; ".join(filter(None, (found.get(f"variable {name}"), value)))
    for file in ("limits", "root/etc/hosts", "root/etc/resolv.conf"):
        for p in members:
            if "server.py" in p.command and "sh -c" not in p.command:
                with suppress(OSError):
                    host = p.value("HOSTNAME") or "\0"
                    found[file] = Path(f"/proc/{p.pid}/{file}").read_text(errors="replace").replace(host, "itself")
    return found
