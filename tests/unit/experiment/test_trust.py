"""What a file may name: nothing outside of its own project is made, read or run, and a plan shows what is."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaos import naming
from chaos.cli import main
from chaos.errors import BadExperiment
from chaos.experiment import file as experiments
from chaos.experiment import stack as stackfile
from chaos.experiment import suite as suites
from chaos.experiment.plan import Plan, Program
from chaos.experiment.programs import programs
from chaos.incidents.simulation import file as simulation
from chaos.targets.compose.target import Compose
from chaos.targets.process.target import Process
from tests.anybody import ANYBODY
from tests.messages import Says
from tests.unit import histories

STACK = {
    "services": {
        "web": {
            "command": ["python3", "web.py"],
            "labels": {"chaos.zone": "a"},
            "networks": {"n": {"ipv4_address": "10.77.1.10"}},
        }
    }
}
EXPERIMENT = {
    "claim": "Nothing.",
    "load": {"users": "users.py", "count": 1, "rate": "1/s", "floor": "1/s"},
    "timeline": [{"at": "1s", "for": "1s", "fault": "pause", "where": {"name": "web"}}],
    "checks": [{"availability": {"at_least": "99%"}}],
}
NOT_NAMES = [
    "", ".", "..", "../x", "../../../tmp/x", "/tmp/x", "a/b", ".x", "-x", "a b", "a\nb", "a\x1b[2Jb", "x" * 101
]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one node and one experiment, beside things that are not its own."""
    place = tmp_path / "project"
    (place / "experiments" / "suites").mkdir(parents=True)
    (place / "docker-compose.yml").write_text(json.dumps(STACK))
    (place / "experiments" / "users.py").write_text(ANYBODY)
    (tmp_path / "outside.py").write_text("")
    (tmp_path / "outside.yaml").write_text("components: {web: [ana]}")
    monkeypatch.chdir(place)
    return place


def write(project: Path, file: str = "still", **other: Any) -> None:
    content = {"name": file, **EXPERIMENT, **other}
    (project / "experiments" / f"{file}.yaml").write_text(json.dumps(content))


def call(*args: str) -> int:
    with pytest.raises(SystemExit) as e:
        main(args)
    return int(e.value.code or 0)


def plan(*args: str) -> int:
    return call("plan", "still", "--target", "process", *args)


def everything(place: Path) -> set[Path]:
    return set(place.rglob("*"))


@pytest.mark.parametrize("name", [*NOT_NAMES, "other"])
@pytest.mark.parametrize("command", ["plan", "run"])
def test_an_experiment_is_called_as_its_file_is(project: Path, name: str, command: str) -> None:
    """Its runs are kept in a folder of that name. Refused before anything is made."""
    write(project, name=name)
    before = everything(project.parent)
    assert call(command, "still", "--target", "process") == 64
    assert everything(project.parent) == before


def test_a_name_that_the_short_form_or_another_file_brings_is_refused(project: Path) -> None:
    """What counts is what is played."""
    write(project, short={"name": "../x"})
    assert plan() == 0 and plan("--short") == 64
    write(project, file="odd", name="still")
    (project / "experiments" / "still.yaml").write_text(json.dumps({"like": "odd"}))
    (project / "experiments" / "odd.yaml").write_text(json.dumps({**EXPERIMENT, "name": "../x"}))
    assert plan() == 64


@pytest.mark.parametrize(
    "users",
    ["../../outside.py", "../../project/../outside.py", "/etc/passwd", "link.py", "folder/inner.py", ".", "", "pipe",
     "nothing.py", "users.py\0", "x" * 5000, "circle"],
)  # fmt: skip
def test_users_lie_beside_the_experiment_or_the_stack(project: Path, users: str) -> None:
    """Whatever a path or a link leads to outside, and what is no regular file, is neither read nor run."""
    there = project / "experiments"
    (there / "link.py").symlink_to(project.parent / "outside.py")
    (project.parent / "elsewhere").mkdir()
    (project.parent / "elsewhere" / "inner.py").write_text("")
    (there / "folder").symlink_to(project.parent / "elsewhere")
    (there / "circle").symlink_to("circle")
    os.mkfifo(there / "pipe")
    write(project, load={**EXPERIMENT["load"], "users": users})  # type: ignore[dict-item]
    assert plan() == 64


@pytest.mark.parametrize("users", ["users.py", "sub/more.py", "../beside.py", "inside.py"])
def test_users_below_these_folders_are_taken_by_any_way(project: Path, users: str) -> None:
    """In a folder of their own, beside the stack's description, by a link that stays inside."""
    (project / "experiments" / "sub").mkdir()
    for name in ("experiments/sub/more.py", "beside.py"):
        (project / name).write_text(ANYBODY)
    (project / "experiments" / "inside.py").symlink_to("sub/more.py")
    write(project, load={**EXPERIMENT["load"], "users": users})  # type: ignore[dict-item]
    assert plan() == 0
    write(project, load={**EXPERIMENT["load"], "users": str(project / "beside.py")})  # type: ignore[dict-item]
    assert plan() == 0


@pytest.mark.parametrize("name", NOT_NAMES)
def test_what_becomes_a_name_of_files_is_one(project: Path, name: str) -> None:
    """Steps, acts, probes, nodes, what a file is like, its incident, and what a suite or a simulation plays."""
    line: dict[str, Any] = EXPERIMENT["timeline"][0]  # type: ignore[index]
    write(project, timeline=[{**line, "id": name}])
    assert plan() == 64
    do = {"at": "1s", "do": name, "where": {"name": "web"}}
    write(project, operators={name: {"exec": ["true"]}}, timeline=[do])
    assert plan() == 64
    write(project, checks=[{"metrics": {"name": name, "component": "web", "series": "x", "at_most": 1}}])
    assert plan() == 64
    for key in ("like", "incident"):
        write(project, **{key: name})
        assert plan() == 64
    web = STACK["services"]["web"]
    (project / "docker-compose.yml").write_text(json.dumps({"services": {name: web}}))
    with pytest.raises(BadExperiment):
        stackfile.read(project / "docker-compose.yml")
    suite = project / "experiments" / "suites" / "s.yaml"
    suite.write_text(json.dumps({"name": "s", "runs": [{"experiment": name}]}))
    with pytest.raises(BadExperiment):
        suites.read(suite)
    with pytest.raises(BadExperiment):
        simulation.read(project, name)


def test_the_name_of_the_users_own_network_is_no_nodes(project: Path) -> None:
    """On the embedded target the load runs under it; under compose it is a name like any other."""
    (project / "docker-compose.yml").write_text(json.dumps({"services": {"internet": STACK["services"]["web"]}}))
    stackfile.read(project / "docker-compose.yml", strict=False)
    with pytest.raises(BadExperiment):
        stackfile.read(project / "docker-compose.yml")


@pytest.mark.parametrize("program", ["../outside.py", "/bin/true", "services/../../outside.py", 7])
def test_a_stack_builds_with_its_own_program_only(project: Path, program: object) -> None:
    """`x-chaos.base` runs on this machine, as whoever calls."""
    (project / "docker-compose.yml").write_text(json.dumps({**STACK, "x-chaos": {"base": program}}))
    with pytest.raises(BadExperiment):
        stackfile.read(project / "docker-compose.yml", strict=False)


@pytest.mark.parametrize("file", ["../outside.yaml", "/etc/passwd", "link.yaml", "."])
def test_a_staff_file_lies_below_the_stacks_folder(project: Path, file: str) -> None:
    """As users' files do."""
    (project / "link.yaml").symlink_to(project.parent / "outside.yaml")
    write(project)
    (project / "docker-compose.yml").write_text(json.dumps({**STACK, "x-chaos": {"staff": {"file": file}}}))
    assert plan() == 64
    (project / "own.yaml").write_text("components: {web: [ana]}")
    (project / "docker-compose.yml").write_text(json.dumps({**STACK, "x-chaos": {"staff": {"file": "own.yaml"}}}))
    assert plan() == 0


@pytest.mark.parametrize("name", ["still", "zone-fire-2x2", "a.b_C", "0", "_x", "x" * 100])
def test_ordinary_names_fit(name: str) -> None:
    """What Compose allows for services, files can be called."""
    assert naming.fits(name)


def test_an_experiment_read_by_itself_has_a_name_that_fits(project: Path, says: Says) -> None:
    """Also where nobody plans it."""
    write(project, name="../x")
    with says.raises(BadExperiment):
        experiments.read(project / "experiments" / "still.yaml")


# --- what an experiment runs


def of_kind(programs: Sequence[Program], kind: str) -> dict[str, tuple[str, ...]]:
    return {p.what: p.nodes for p in programs if p.kind == kind}


def test_a_plan_shows_what_the_experiment_runs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The users' file, operators' commands and the stack's own, for people and for programs, and what keeps them in."""
    web = {**STACK["services"]["web"], "healthcheck": {"test": ["CMD", "look", "after it"]}}
    (project / "docker-compose.yml").write_text(json.dumps({"services": {"web": web, "wab": {**web, "networks": {
        "n": {"ipv4_address": "10.77.1.11"}}}}}))  # fmt: skip
    line = {"at": "1s", "do": "odd", "where": {"name": "web"}}
    write(project, operators={"odd": {"exec": ["sh", "-c", "rm -rf /\nexit"]}}, timeline=[line])
    assert plan("--json") == 0
    made = msgspec.json.decode(capsys.readouterr().out, type=Plan)
    assert of_kind(made.programs, "load") == {"experiments/users.py": ()}
    assert of_kind(made.programs, "operator") == {"odd: sh -c 'rm -rf /\nexit'": ("web",)}
    assert of_kind(made.programs, "node") == {"python3 web.py": ("wab", "web")}
    assert of_kind(made.programs, "health check") == {"look 'after it'": ("wab", "web")}
    assert made.kept_in and "machine" not in {p.kind for p in made.programs}
    assert plan() == 0
    block = capsys.readouterr().out.partition("This experiment runs")[2].partition("\nchecks\n")[0]
    for words in ("experiments/users.py", "odd: sh -c 'rm -rf / exit'  (web)", "python3 web.py", "look", made.kept_in):
        assert words in block


def test_a_plan_under_compose_shows_what_reaches_this_machine(project: Path) -> None:
    """Builds, mounts, privileges, and the program that runs here to make images."""
    service = {"image": "shop", "build": {"context": "src"}, "privileged": True, "cap_add": ["NET_ADMIN", "SYS_ADMIN"],
               "volumes": ["/var/run/docker.sock:/s:ro", "./src:/src", "named:/data", "/anonymous", {
                   "type": "bind", "source": "~/.ssh", "target": "/keys"}]}  # fmt: skip
    (project / "docker-compose.yml").write_text(
        json.dumps({"services": {"web": service}, "x-chaos": {"base": "base.sh"}})
    )
    stack = stackfile.read(project / "docker-compose.yml", strict=False)
    found = programs(stack, histories.plan(), containers=True)
    assert of_kind(found, "mount") == dict.fromkeys(("/var/run/docker.sock", "./src", "~/.ssh"), ("web",))
    assert of_kind(found, "privilege") == {"privileged: true": ("web",), "cap_add: NET_ADMIN, SYS_ADMIN": ("web",)}
    assert of_kind(found, "build") == {"shop from src": ("web",)}
    assert of_kind(found, "node") == {"what the image shop starts with": ("web",)}
    assert of_kind(found, "machine") == {"base.sh": ()}
    assert Compose.kept_in != Process.kept_in


def test_what_it_runs_has_no_secrets_in_it(project: Path) -> None:
    """A command that was given one by a knob."""
    made = msgspec.structs.replace(
        histories.plan(settings={"api_token": "hunter2x"}), programs=(Program("node", "serve --token hunter2x"),)
    )
    assert made.redacted().programs[0].what == "serve --token (hidden)"
