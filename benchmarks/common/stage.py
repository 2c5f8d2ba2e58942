"""A small stack and a run on it with nobody about: `python -m benchmarks.common.stage FOLDER` plays FOLDER/plan.json.

The folder gets journal.jsonl as any run's folder does. With `--down` it only ends the stack that FOLDER describes.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import msgspec
import yaml

from chaos import registry
from chaos.errors import ChaosError
from chaos.experiment import stack as stackfile
from chaos.experiment.plan import LoadSpec, Plan, PlanNode, Step
from chaos.model import Node
from chaos.protocols import Load
from chaos.record.store import pretty
from chaos.run.orchestrator import run
from chaos.run.recorder import Recorder
from chaos.run.stage import Participants
from chaos.run.watchdog import Watchdog
from chaos.targets.box import box

PROJECT = "chaos-bench"  # every container and network that a benchmark makes is labelled with it
SERVER = '''"""Answers with its name and mode."""
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (os.environ["NAME"] + " " + os.environ.get("MODE", "-")).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer((os.environ.get("BIND", "0.0.0.0"), 8000), Answer).serve_forever()
'''
CHECK = ["CMD", "bash", "-c", "exec 5<>/dev/tcp/$${BIND:-127.0.0.1}/8000"]


@final
class Nobody(Load):
    """A load of no users, who are always well: what is measured is the harness."""

    lead = 0.1

    async def prepare(self) -> None: ...

    async def start(self, t0: float, until: float) -> None: ...

    def success(self, seconds: float) -> Mapping[str, tuple[int, int]]:
        return {"nobody": (1, 1)}

    async def drain(self) -> None: ...

    async def readback(self) -> None: ...

    async def stop(self) -> None: ...


def write_stack(folder: Path, kind: str, names: Sequence[str], program: str = SERVER, check: bool = True) -> None:
    """FOLDER/stack.yml: nodes of zone a that run `program` (Python). Raises ChaosError where compose lacks an image."""
    first = "10.93" if kind == "compose" else "10.77"  # beside whatever else stands
    services = {}
    for n, name in enumerate(names, 10):
        services[name] = {
            "image": _image(),
            "command": ["python3", "-S", "-c", program],
            "user": "1000:1000",
            "cap_drop": ["ALL"],
            "environment": {"NAME": name},
            "labels": {"chaos.component": "web", "chaos.zone": "a", "chaos.owner": "bench"},
            "networks": {"small": {"ipv4_address": f"{first}.1.{n}"}},
            **({"healthcheck": {"test": CHECK, "interval": "1h"}} if check else {}),
        }
    networks = {"small": {"ipam": {"config": [{"subnet": f"{first}.0.0/16", "gateway": f"{first}.0.1"}]}}}
    (folder / "stack.yml").write_text(yaml.safe_dump({"services": services, "networks": networks}))


def _image() -> str:
    """The harness's own helper: it holds Python, and the target sees to it that it is there."""
    from chaos.targets.docker import images

    return images.helper_tag()


def write_plan(folder: Path, kind: str, names: Sequence[str], steps: Sequence[Step], steady: float = 1.0) -> None:
    nodes = tuple(PlanNode(name=name, component="web", zone="a", owner="bench") for name in names)
    made = Plan(
        experiment="benchmark", claim="", seed=7, target=kind, settings={}, scale=1.0, short=False, steady=steady,
        steady_within=20.0, hold=1.0, length=max(s.end for s in steps), recover=0.0, nodes=nodes, steps=tuple(steps),
        acts=(), load=LoadSpec("nobody", 1, 1.0, 1.0, 7), probes=(), checks=(), left_out=(),
    )  # fmt: skip
    (folder / "plan.json").write_bytes(pretty(made))


def make_target(folder: Path, kind: str, nodes: Sequence[Node] = ()) -> Any:
    """The target of FOLDER/stack.yml, nothing started yet; `process` inside a box only."""
    if kind == "memory":
        from chaos.targets.memory.target import Memory

        return Memory(nodes)
    stack = stackfile.read(folder / "stack.yml", strict=kind == "process")
    if kind == "process":
        from chaos.targets.process.target import Process

        return Process(stack, folder)
    from chaos.targets.compose.target import Compose

    return Compose(stack, log_dir=folder, project=PROJECT)


def play(folder: Path, kind: str) -> None:
    """Play FOLDER/plan.json in a process of its own, in a box where the target wants one. Raises ChaosError."""
    go_inside(folder, kind, "benchmarks.common.stage")


def go_inside(folder: Path, kind: str, module: str) -> None:
    """`python -m MODULE FOLDER`, in a box for the embedded target, guarded for compose. Raises ChaosError."""
    if kind == "process":
        code = box.run_inside([str(folder)], state=folder, program=(sys.executable, "-m", module))
    else:
        with guarded(folder, kind):
            code = subprocess.run([sys.executable, "-m", module, str(folder)], check=False).returncode
    if code:
        raise ChaosError(f"python -m {module} ended with {code}")


@contextlib.contextmanager
def guarded(folder: Path, kind: str) -> Iterator[None]:
    """Whatever ends this process inside this block, the stack does not stay behind."""
    if kind != "compose":
        yield
        return
    command = [sys.executable, "-m", "benchmarks.common.stage", "--down", str(folder)]
    with Watchdog(command):
        try:
            yield
        finally:
            asyncio.run(make_target(folder, kind).down())


async def _perform(folder: Path, plan: Plan) -> None:
    faults = {s.id: registry.build(registry.load("chaos.faults", s.fault), s.params) for s in plan.steps}
    target = make_target(
        folder, plan.target, [Node(n["name"], n["component"], n["zone"], n["owner"]) for n in plan.nodes]
    )
    with contextlib.closing(Recorder(folder / "journal.jsonl")) as recorder:
        await run(plan, Participants(target, faults, Nobody(), (), owned=True), recorder)


def main() -> None:
    folder = Path(sys.argv[-1])
    if "--down" in sys.argv:
        asyncio.run(make_target(folder, "compose").down())
    else:
        asyncio.run(_perform(folder, msgspec.json.decode((folder / "plan.json").read_bytes(), type=Plan)))


if __name__ == "__main__":
    main()
