"""What a person writes by hand: experiments, stacks, dossiers, suites, simulations, staff files, knobs."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz import inputs
from tests.fuzz.guard import guarded
from tests.fuzz.kind import Kind
from tests.fuzz.place import ROOT, Said, place

REFUSED = {0, 2, 64}


def _texts(*patterns: str) -> list[bytes]:
    return [path.read_bytes() for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def _expect(said: Said, *codes: int) -> Said:
    assert said.code in codes, f"exit {said.code}: {said.text[-300:]}"
    return said


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def experiment(data: bytes) -> None:
    """Listed, shown, planned, and its run's folder made."""
    p = place()
    file = p.root / "experiments" / "fuzzed.yaml"
    _put(file, data)
    try:
        _expect(p.command("list"), 0, 2, 64)
        more = ((), ("--json", "--seed", "3"), ("--short",), ("--posture", "as-was"))[zlib.crc32(data) % 4]
        said = _expect(p.command("plan", "fuzzed", "--target", "process", *more), 0, 2, 64)
        if said.code == 0 and not more:
            _folder(file)
    finally:
        file.unlink()


def _folder(file: Path) -> None:
    """Where a run of it would be."""
    from chaos.cli.options import make_plan, read_stack
    from chaos.experiment import file as experiments
    from chaos.record import store
    from chaos.targets import known

    p = place()
    made = experiments.read(file)
    stack = read_stack(p.root / "docker-compose.yml", "process", made, None, ())
    plan = make_plan(file, made, known.make("process", stack), stack, 7, False, ())
    with guarded(p.runs, p.state):
        run = store.place(p.runs, plan.experiment, plan.seed)
        store.create(run)
    assert p.runs in run.resolve().parents, run
    shutil.rmtree(p.runs)
    p.runs.mkdir()


def stack(data: bytes) -> None:
    """Planned on both targets, its faults and its staff listed."""
    p = place()
    file = p.root / "fuzzed.yml"
    _put(file, data)
    at = ("--stack", str(file))
    _expect(p.command("plan", "node-kill", "--target", "process", *at), 0, 2, 64)
    _expect(p.command("staff", "--draws", "10", *at), 0, 2, 64)
    _expect(p.command("status", "--target", "process", *at), 0, 2, 64)
    _expect(p.command("faults", "kill", "--target", "process", *at), 0, 2, 64)
    _containers(file)


def _containers(file: Path) -> None:
    """The same stack for containers, none of which is started."""
    from chaos.errors import BadExperiment
    from chaos.experiment import stack as stackfile
    from chaos.targets.compose.target import Compose

    with guarded():
        try:
            found = stackfile.read(file, strict=False)
        except BadExperiment:
            return
        assert Compose(found, project="chaos-fuzz").nodes() == found.nodes


def overlay(data: bytes) -> None:
    """Beside the stack, which is planned with it."""
    p = place()
    _put(p.root / "chaos.yaml", data)
    _expect(p.command("plan", "node-kill", "--target", "process"), 0, 2, 64)
    _containers(p.root / "docker-compose.yml")
    (p.root / "chaos.yaml").unlink()


def dossier(data: bytes) -> None:
    """Told, told to programs, and carried along by a plan."""
    p = place()
    _put(p.root / "seeds" / "kakao-2022-10-15.yaml", data)
    _expect(p.command("incident", "kakao-2022-10-15"), 0, 2, 64)
    _expect(p.command("incident", "--json"), 0, 2, 64)
    _expect(p.command("plan", "zone-fire", "--target", "process"), 0, 2, 64)
    page = p.runs / "page.md"
    _expect(p.command("incident", "kakao-2022-10-15", "--page", "--out", str(page)), 0, 2, 64)
    page.unlink(missing_ok=True)


def suite(data: bytes) -> None:
    """Checked without playing anything."""
    p = place()
    _put(p.root / "experiments" / "suites" / "fuzzed.yaml", data)
    _expect(p.command("suite", "fuzzed", "--dry", "--target", "process"), 0, 2, 64)


def simulation(data: bytes) -> None:
    """Computed for a few users."""
    p = place()
    _put(p.root / "experiments" / "simulations" / "kakao-2022-10-15.yaml", data)
    _expect(p.command("simulate", "kakao-2022-10-15", "--users", "1000", "--servers", "30"), 0, 2, 64)


def staff(data: bytes) -> None:
    """Its curve drawn."""
    p = place()
    file = p.root / "fuzzed-staff.yaml"
    _put(file, data)
    _expect(p.command("staff", "--file", str(file), "--draws", "10", "--share", "50%"), 0, 2, 64)


def codeowners(data: bytes) -> None:
    """The same from CODEOWNERS."""
    p = place()
    file = p.root / "CODEOWNERS"
    _put(file, data)
    try:
        _expect(p.command("staff", "--file", str(file), "--draws", "10"), 0, 2, 64)
    finally:
        file.unlink()


def knob(data: bytes) -> None:
    """--set, --posture and --without, as a shell hands them over."""
    text = data.replace(b"\0", b"").decode(errors="surrogateescape")
    p = place()
    plan = ("plan", "node-kill", "--target", "process")
    _expect(p.command(*plan, "--set", f"boot_lanes={text}"), 0, 2, 64)
    _expect(p.command(*plan, "--set", text), 0, 2, 64)
    _expect(p.command(*plan, f"--posture={text}"), 0, 2, 64)
    _expect(p.command(*plan, f"--without={text}"), 0, 2, 64)
    _expect(p.command("plan", "--target", "process", "--", text), 0, 2, 64)
    _expect(p.command("staff", "--draws", "10", f"--share={text}"), 0, 2, 64)


HALT = b'{"who": "ana", "when": "2026-01-01T00:00:00+00:00", "why": "audit"}'
RUNNING = b'{"pid": 999999, "started": 1, "boot": "x", "what": "zone-fire", "since": "2026-01-01", "where": "/"}'
STANDING = b'{"posture": "as-was", "boot_lanes": 1}'
BOX = b'{"kind": "box", "pid": 999999, "started": 1, "folder": "/nowhere", "boot": "x", "address": "x"}'


def state(data: bytes) -> None:
    """What the harness keeps for itself: who has halted, who runs, what stands."""
    p = place()
    for file in (p.state / "halt.json", p.state / "runs" / "1-1.json", *(
        p.root / ".chaos" / name for name in ("process.json", "box.json", "grafana"))):  # fmt: skip
        _put(file, data)
        _expect(p.command("status", "--target", "process"), 0, 2, 64)
        file.unlink(missing_ok=True)
    _put(p.root / ".chaos" / "process.json", STANDING)
    _put(p.root / ".chaos" / "box.json", data)
    _expect(p.command("status", "--target", "process"), 0, 2, 64)
    _put(p.state / "halt.json", data)
    _expect(p.command("resume"), 0, 2, 64)
    shutil.rmtree(p.root / ".chaos")


OVERLAY = b"""
nodes: {"chat*": {component: chat, owner: messaging}, feed-a: {zone: a}}
zones: {a: [chat-a, "gateway-*"], b: [chat-b]}
replicas: spread
compose: [docker-compose.yml, more.yml]
x-chaos: {network: {between_zones: 5ms}, postures: {one: {lanes: 1}}}
"""
KINDS = (
    Kind("experiment", inputs.yaml_files(_texts("experiments/*.yaml")), experiment, 40),
    Kind("stack", inputs.yaml_files(_texts("docker-compose.yml", "examples/shop/docker-compose.yml",
    "tests/contract/stack.yml")), stack, 25),
    Kind("overlay", inputs.yaml_files([OVERLAY]), overlay, 25),
    Kind("dossier", inputs.yaml_files(_texts("seeds/*.yaml")), dossier, 25),
    Kind("suite", inputs.yaml_files(_texts("experiments/suites/*.yaml")), suite, 25),
    Kind("simulation", inputs.yaml_files(_texts("experiments/simulations/*.yaml")), simulation, 25),
    Kind("staff", inputs.yaml_files(_texts("services/staff.yaml")), staff, 25),
    Kind("codeowners", inputs.scribbled(st.sampled_from([
        b"* @ana\n/services/chat/ @ana @bo # x\n/services/*.py @team\n[Section] @x\ndocs/**/a.md bo@example.org\n"])),
        codeowners, 25),
    Kind("state", inputs.json_files([HALT, RUNNING, STANDING, BOX]), state, 15),
    Kind("knob", st.one_of(inputs.junk(), inputs.leaves.map(str).map(lambda t: t.encode(errors="replace"))),
    knob, 40),
)  # fmt: skip
