"""Secrets among knobs and variables: told by name or form, used by the run, and in nothing that is shown or kept."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from chaos import place, redaction
from chaos.campaign.sweep import Arm
from chaos.cli import main
from chaos.errors import BadExperiment
from chaos.experiment import stack as stackfile
from chaos.experiment.suite import Entry, Play
from chaos.judge.judge import judge
from chaos.model import Event, Finding, Verdict
from chaos.observe.annotations import Annotations
from chaos.observe.metrics import Metrics
from chaos.place import standing
from chaos.record import store
from chaos.record.journal import Journal
from chaos.redaction import HIDDEN, Hider
from chaos.report import label, plan, terminal, write_all
from chaos.run.child import Player
from chaos.run.recorder import Recorder
from tests.anybody import ANYBODY
from tests.unit import histories

VALUE = "hunter2x"


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "api_token",
        "API_TOKEN",
        "apiToken",
        "db_password",
        "DB_PASSWORD",
        "dbPassword",
        "passwd",
        "userPwd",
        "secret",
        "clientSecret",
        "client_secret_v2",
        "credential",
        "aws-credentials",
        "auth",
        "basic_auth",
        "access_key",
        "TOKEN_KEY",
        "key",
        "signing_key_2",
        "apikey",
        "dbpassword",
        "authtoken",
        "AWS_SECRET_ACCESS_KEY",
        "password_old",
        "token_staging",
        "session_cookie",
        "PGPASS",
        "pass",
        "secret.key",
    ],
)
def test_a_secret_is_told_by_its_name(name: str) -> None:
    """However its words are put together."""
    assert redaction.secret(name, VALUE) and redaction.shown(name, VALUE) == HIDDEN


@pytest.mark.parametrize(
    "name",
    [
        "monkey",
        "key_rotation_days",
        "keyboard",
        "token_ttl",
        "token_life",
        "password_min_length",
        "auth_timeout",
        "auth_mode",
        "sort_key",
        "PARTITION_KEY",
        "primaryKey",
        "keys_per_node",
        "tokenizer",
        "secretary",
        "compass",
        "author",
        "authority",
        "token_file",
        "boot_lanes",
        "exposure",
        "hockey",
        "pass_rate",
        "key_count",
        "posture",
        "7",
    ],
)
def test_what_only_sounds_like_one_is_none(name: str) -> None:
    """A measure of a secret, a key of data, a word that has one in it."""
    assert not redaction.secret(name, VALUE)


@pytest.mark.parametrize(
    "value",
    ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "-----BEGIN RSA PRIVATE KEY-----\nx", "ghp_abcdefghijklmnop1234",
     "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY1", "9f86d081884c7d659a2feaa0c55ad015", "Bearer abcdefgh12345"],
)  # fmt: skip
def test_a_secret_is_told_by_its_form(value: str) -> None:
    """Whatever the knob is called."""
    assert redaction.shown("anything", value) == HIDDEN


@pytest.mark.parametrize(
    "value",
    [*("chaos-stack/app", "20260101T000000Z-s7", "unlimited", "internal-service-gateway-2", "10.77.1.10:8000", ""),
     *("https://example.org/a", "python3 -m services.gateway", "2026-11-28T07:00:52+00:00", True, None, 0.3, 8)],
)  # fmt: skip
def test_ordinary_values_are_shown(value: object) -> None:
    """Names, addresses, times, numbers."""
    assert redaction.shown("anything", value) == value


def test_a_value_decides_where_a_name_does_not() -> None:
    """Switches and counts are none; a number may be a password; an address keeps all but its password."""
    assert not redaction.secret("auth_enabled", True) and not redaction.secret("max_tokens", 5)
    assert not redaction.secret("AUTH", "auth-a:8000,auth-b:8000")
    assert redaction.shown("db_password", 12345678) == HIDDEN
    assert redaction.shown("database", f"postgres://ana:{VALUE}@db:5432/x") == f"postgres://ana:{HIDDEN}@db:5432/x"
    assert redaction.shown("x", {"a": [{"TOKEN": VALUE}], "b": 1}) == {"a": [{"TOKEN": HIDDEN}], "b": 1}


@given(st.lists(st.text()), st.text())
def test_a_text_without_secrets_stays_as_it_is(values: list[str], said: str) -> None:
    """And of one with them nothing is left but words that hold one in them."""
    found = Hider(values).text(said)
    assert found == said or HIDDEN in found
    assert Hider([VALUE]).all({"a": [f"x {VALUE}."], VALUE: 1}) == {"a": [f"x {HIDDEN}."], HIDDEN: 1}


def test_a_name_that_is_a_password_too_stays_readable() -> None:
    """`postgres` is the commonest password of them all, and the journal must know its nodes."""
    assert Hider(["postgres"], kept={"postgres-a"}).text("postgres-a fell") == "postgres-a fell"


def test_a_command_line_is_carried_without_them() -> None:
    """Anybody of this machine may read it; what is missing travels in a variable."""
    argv = ["run", "x", "--set", f"api_token={VALUE}", "--set=boot_lanes=8", f"--set=db_password={VALUE}=",
            "--grafana", f"http://ana:{VALUE}@host"]  # fmt: skip
    told, hidden = redaction.carried(argv)
    assert VALUE not in " ".join(told) and told[4] == "--set=boot_lanes=8" and told[-1] == f"http://ana:{HIDDEN}@host"
    assert redaction.restored("api_token", HIDDEN, hidden) == VALUE
    assert redaction.restored("db_password", HIDDEN, hidden) == f"{VALUE}="
    assert redaction.restored("api_token", HIDDEN, {}) is None
    assert redaction.restored("api_token", HIDDEN, {redaction.CARRIED: "[]"}) is None
    assert redaction.carried(["run", "x"]) == (["run", "x"], {})


def test_a_child_gets_them_where_nobody_looks() -> None:
    """A run of a suite or of a sweep."""
    argv, env = Player(Path("."), program=("chaos",)).command(["x", "--set", f"token={VALUE}"], Path("run"))
    assert argv == ["chaos", "run", "x", "--set", f"token={HIDDEN}", "--into", "run"]
    assert json.loads(env[redaction.CARRIED]) == {"token": VALUE}


# --- a run, from the command line to its last report


STACK = {
    "x-chaos": {"postures": {"plain": {"api_token": "toy", "lanes": 1}}},
    "services": {
        "web": {
            "command": ["web"],
            "environment": {"DB_PASSWORD": "of-the-stack"},
            "labels": {"chaos.zone": "a"},
            "networks": {"n": {"ipv4_address": "10.77.1.10"}},
        }
    },
}
EXPERIMENT = {
    "name": "x",
    "claim": "Nobody knows ${api_token}.",
    "knobs": {"own_secret": "toy"},
    "load": {"users": "u.py", "count": 1, "rate": "1/s", "floor": "1/s"},
    "timeline": [
        {"at": "1s", "for": "1s", "fault": "deploy", "where": {"name": "web"}, "with": {"environment": {
            "SESSION": "${api_token}", "OWN": "${own_secret}", "FIXED_TOKEN": "of-the-file", "PLAIN": "seen"}}},
    ],
    "checks": [{"availability": {"at_least": "99%"}}],
    "sweep": {"lanes": [1, 2]},
}  # fmt: skip
SETS = ("--set", f"api_token={VALUE}", "--set", "own_secret=another1")
ALL = (VALUE, "another1", "of-the-file", "of-the-stack")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "docker-compose.yml").write_text(json.dumps(STACK))
    (tmp_path / "experiments" / "x.yaml").write_text(json.dumps(EXPERIMENT))
    (tmp_path / "experiments" / "u.py").write_text(ANYBODY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*args: str) -> int:
    with pytest.raises(SystemExit) as e:
        main(args)
    return int(e.value.code or 0)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_plan_shows_none(project: Path, form: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """What is no secret stays."""
    assert call("plan", "x", "--target", "process", *SETS, *form) == 0
    said = capsys.readouterr()
    assert not any(value in said.out + said.err for value in ALL) and HIDDEN in said.out
    assert not form or "seen" in said.out


@pytest.mark.parametrize(
    ("sets", "code"),
    [
        ((f"api_token={HIDDEN}",), 64),
        ((f"apitoken={VALUE}",), 64),
        ((f"lanes={VALUE}", f"api_token={VALUE}"), 64),
        ((f"own_secret=[{VALUE}]",), 64),
        ((f"api_token: {VALUE}",), 64),
    ],
)
def test_a_refusal_repeats_none(
    project: Path, sets: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A knob that nobody has, a value of another kind, one that was hidden."""
    words = [word for text in sets for word in ("--set", text)]
    assert call("plan", "x", "--target", "process", *words) == code
    err = capsys.readouterr().err
    assert f"token={VALUE}" not in err and f"secret=[{VALUE}]" not in err


def test_a_hidden_value_is_found_in_the_variable(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a report says under `Again` can be played, and what the box is told is what was meant."""
    monkeypatch.setenv(redaction.CARRIED, json.dumps({"api_token": VALUE}))
    assert call("plan", "x", "--target", "process", "--set", f"api_token={HIDDEN}", "--json") == 0
    assert VALUE not in capsys.readouterr().out
    stack = stackfile.read(project / "docker-compose.yml", sets={"api_token": VALUE})
    assert stack.settings["api_token"] == VALUE, "the run uses the real one"


def test_a_run_keeps_none(project: Path) -> None:
    """In plan, environment, journal and every report; on no page of metrics, no annotation, and no terminal."""
    stack = stackfile.read(project / "docker-compose.yml", sets={"api_token": VALUE})
    step = msgspec.structs.replace(
        histories.plan().steps[0], fault="deploy", params={"environment": {"SESSION": VALUE, "PLAIN": "seen"}}
    )
    act = msgspec.structs.replace(histories.act("a", 1.0), command=("echo", VALUE, "and of-the-stack"))
    claim, settings = f"Nobody knows {VALUE}.", dict(stack.settings)
    made = histories.plan(settings=settings, steps=(step,), claim=claim, acts=(act,))
    run = project / "runs" / "x" / "20260101T000000Z-s1"
    store.create(run)
    store.save(run, made, store.environment(["chaos", "run", "x", *SETS], "process"), stack.hider(made))
    events: list[Event] = []

    async def record() -> None:
        recorder = Recorder(run / "journal.jsonl", events.append, stack.hider(made))
        recorder.emit("run.start", "x")
        recorder.emit("fault.inject", "blow", fault="deploy", nodes=["chat-a"])
        recorder.emit("run.error", "x", error=f"chat-a said: {VALUE} of-the-stack", type="TargetError")
        recorder.zero(asyncio.get_running_loop().time())
        recorder.emit("operator.start", "a", command=["echo", VALUE])
        recorder.close()

    asyncio.run(record())
    journal = Journal.load(run)
    found = judge(journal, label(run))
    write_all(run, journal, found)
    reading, writing = os.pipe()
    annotations = Annotations(made.redacted(), "x", writing)
    with Metrics(made, run) as metrics:
        for event in events:
            metrics.tell(event)
            annotations.tell(event)
        shown = generate_latest(metrics.registry).decode()
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        shown += pipe.read()
    shown += terminal.render(journal, found) + plan.render(made.redacted(stack.hider(made)))
    kept = "".join(file.read_text(encoding="utf-8") for file in run.rglob("*") if file.is_file())
    for value in (VALUE, "another1", "of-the-stack"):
        assert value not in kept and value not in shown, value
    assert "seen" in kept and f"--set 'api_token={HIDDEN}'" in shown


def test_a_run_of_before_shows_none_any_more(project: Path) -> None:
    """Its reports, made again by today's harness."""
    made = histories.plan(settings={"posture": "as-was", "api_token": VALUE})
    run = project / "run"
    run.mkdir()
    (run / "plan.json").write_bytes(msgspec.json.encode(made))
    (run / "env.json").write_text(json.dumps({"argv": ["chaos", "run", "x", *SETS]}))
    journal = Journal.load(run)
    assert VALUE not in terminal.render(journal, judge(journal, "x"))


def test_lists_of_runs_show_none(project: Path) -> None:
    """The arms of a sweep, the titles of a suite; two arms of one secret are told apart by nothing but their turn."""
    arm = Arm({"api_token": VALUE, "lanes": "2"}, 7, histories.plan())
    play = Play(Entry(experiment="x", sets={"api_token": VALUE, "lanes": 2}), 7, 1.0)
    for said in (arm.words, play.title):
        assert VALUE not in said and "lanes=2" in said
    assert f"api_token={VALUE}" in " ".join(play.arguments(None, Path("s"))), "the run uses the real one"


def test_a_stack_that_stands_keeps_its_own_to_its_owner(project: Path) -> None:
    """Whoever heals it needs the real ones; nobody else reads them."""
    stack = stackfile.read(project / "docker-compose.yml", sets={"api_token": '"Mixed: 1"'})
    standing.write(stack, "compose")
    file = project / standing.STATE / "compose.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = standing.read(project, "compose")
    assert found is not None and "Mixed" in str(found)
    other = stackfile.read(project / "docker-compose.yml", sets={"api_token": '"Mixed: 2"'})
    with pytest.raises(BadExperiment) as e, place.here("compose", other):
        pass
    assert "Mixed" not in str(e.value)


def test_nothing_says_one_that_a_command_knows(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever else goes wrong meanwhile: a node's last words, an error of the engine."""
    from chaos.cli import out

    stack = stackfile.read(project / "docker-compose.yml", sets={"api_token": VALUE})
    with out.said():
        out.hide(stack.hider())
        print(f"web said: {VALUE}, of-the-stack")
    assert capsys.readouterr().out == f"web said: {HIDDEN}, {HIDDEN}\n"


def test_a_finding_of_a_secret_name_is_no_secret() -> None:
    """Only knobs and variables are looked at: a check called token-1 stays what it is."""
    assert Finding("token-1", Verdict.PASS, "x").check == redaction.shown("check", "token-1")
