"""One place to kill in: a small stack of its own in a folder of its own, and the `chaos` commands run on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.kills.groups import Group
from chaos import registry
from chaos.experiment import stack as stackfile
from chaos.place import standing
from chaos.protocols.table import Refusal
from chaos.run import stack_lock
from chaos.targets import known
from chaos.targets.compose import project as compose_project
from tests.contract.test_targets import EXAMPLES, FILE, SERVER

ROOT = Path(__file__).parents[2]
AT, LASTS, RECOVER = 0.3, 0.8, 0.3  # seconds: the fault's time on the timeline, and what follows
MARK, NODE_MARK = "CHAOS_KILLS", "KILLS_NODE"  # in the environment of the harness and its children, and of nodes
USERS = '''"""One journey, quickly done, to every node: a fault of the network shows only where somebody uses it."""
from chaos.load.openloop import OpenUser, journey
class Visitor(OpenUser):
    abstract = True
    @journey("look")
    def look(self):
        self.get("/")
class OfA(Visitor):
    hosts = ("http://web-a:8000",)
class OfB(Visitor):
    hosts = ("http://web-b:8000",)
class OfDb(Visitor):
    hosts = ("http://db-a:8000",)
'''


STAFF = EXAMPLES["staff"]
PEOPLE = {"components": {"web": STAFF["leave"], "db": STAFF["leave"][:1]}}  # who leaves owns all of it


class Broken(Exception):
    """The stack to kill in does not stand: nothing can be measured."""


class Rig:
    """`number` keeps several rigs apart: folder, mark, compose project, addresses."""

    def __init__(self, target: str, folder: Path, number: int) -> None:
        self.target, self.folder = target, folder / f"{target}-{number}"
        self.token = f"{os.getpid()}-{target}-{number}."
        self.project = f"chaos-kills-{number}"
        self.runs = self.folder / "runs"
        self._network = f"10.{100 + number}." if target == "compose" else "10.77."
        self.standing = False
        self._write()

    def _write(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "experiments" / "users").mkdir(parents=True)
        (self.folder / "experiments" / "users" / "visitor.py").write_text(USERS)
        (self.folder / "server.py").write_text(SERVER)
        text = FILE.read_text().replace("10.77.", self._network)
        text = text.replace("environment: {", f"environment: {{{NODE_MARK}: {self.token}, ")
        told = {"file": "staff.yaml", "variable": STAFF["variable"], "ask": STAFF["ask"]}
        (self.folder / "stack.yml").write_text(f"{text}\nx-chaos: {json.dumps({'staff': told})}\n")
        (self.folder / "staff.yaml").write_text(json.dumps(PEOPLE))
        for fault in self.faults():
            (self.folder / "experiments" / f"{fault}.yaml").write_text(json.dumps(_experiment(fault)))

    def faults(self) -> list[str]:
        """Those that this target can have. Raises Broken for a fault that has no example."""
        stack = stackfile.read(self.folder / "stack.yml", strict=self.target == "process")
        target = known.make(self.target, stack)
        faults = registry.names("chaos.faults")
        if missing := [f for f in faults if f not in EXAMPLES]:
            raise Broken(f"no example in tests/contract/test_targets.py for {', '.join(missing)}")
        return [f for f in faults if not isinstance(target.can.get(registry.load("chaos.faults", f).needs), Refusal)]

    def environment(self, tag: str, more: Mapping[str, str] = {}) -> dict[str, str]:
        """What our commands run with; `tag` tells this one's processes from the others'."""
        own = {MARK: f"{self.token}{tag}.", compose_project.VARIABLE: self.project, "PYTHONPATH": str(ROOT)}
        return {k: v for k, v in os.environ.items() if not k.startswith("CHAOS_BOX")} | own | dict(more)

    def start(
        self, fault: str, tag: str, more: Mapping[str, str] = {}, group: Group | None = None
    ) -> subprocess.Popen[bytes]:
        """`chaos run` of the fault's experiment, `chaos up` without one; what it says goes to the folder."""
        shutil.rmtree(self.runs, ignore_errors=True)
        self.runs.mkdir()
        argv = self._argv(*self.words(fault)) if fault else self._argv("up")
        if group:
            joined = "; ".join(f"echo $$ > {place}/cgroup.procs" for place in group.places)
            argv = ["sh", "-c", f'{joined}; exec "$@"', "sh", *argv]
        with (self.runs / "said").open("wb") as said:
            return subprocess.Popen(
                argv, cwd=ROOT, env=self.environment(tag, more), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                start_new_session=True,
            )  # fmt: skip

    def words(self, fault: str, runs: str = "runs") -> tuple[str, ...]:
        """Of `chaos run` of the fault's experiment, with its records in a folder of ours."""
        file = self.folder / "experiments" / f"{fault}.yaml"
        return "run", str(file), "--runs", str(self.folder / runs), "--metrics-port", "0"

    def _argv(self, *words: str) -> list[str]:
        where = ["--target", self.target, "--stack", str(self.folder / "stack.yml")]
        return [sys.executable, "-m", "chaos", *words, *where]

    def up(self) -> None:
        code, said = self.command("up")
        if code:
            raise Broken(f"`chaos up` ended with {code}: {said[-1000:]}")
        self.standing = True

    def down(self) -> None:
        self.command("down")
        self.standing = False

    def command(self, *words: str) -> tuple[int, str]:
        """Exit code and output, which goes through a file: a box that is left standing keeps a pipe open."""
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(
                self._argv(*words), cwd=ROOT, env=self.environment(words[0]), stdin=subprocess.DEVNULL, stdout=said,
                stderr=said, check=False, timeout=120, start_new_session=True,
            )  # fmt: skip
            said.seek(0)
            return done.returncode, said.read()

    def journal(self) -> list[dict[str, Any]]:
        """Whole lines of the run's journal, [] while there is none."""
        for path in self.runs.glob("*/*/journal.jsonl"):
            try:
                return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
            except FileNotFoundError:  # it is being replaced: the timeline starts
                return []
        return []

    def holder(self) -> int:
        """The pid of the command that holds the stack, 0 for none."""
        found = stack_lock.holder(self.folder / standing.STATE, self.target)
        return found.pid if found else 0

    def said(self) -> str:
        return (self.runs / "said").read_text(errors="replace")


def _experiment(fault: str) -> dict[str, Any]:
    """As short as a run can be that has every phase."""
    params = {k: [{"name": n} for n in v] if k == "to" else v for k, v in EXAMPLES[fault].items()}  # `to` selects
    entry = {"id": "step", "at": f"{AT}s", "for": f"{LASTS}s", "fault": fault, "where": {"zone": "a"}}
    return {
        "name": fault,
        "claim": "Whoever dies when, nothing stays broken.",
        "load": {"users": "users/visitor.py", "count": 3, "rate": "40/s", "floor": "1/s"},
        "steady": {"for": "0.6s", "within": "30s"},
        "hold": "0.2s",
        "recover": f"{RECOVER}s",
        "timeline": [entry | ({"with": params} if params else {})],
        "checks": [{"availability": {"at_least": "1%"}}],
    }
