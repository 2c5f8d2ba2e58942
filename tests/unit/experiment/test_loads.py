"""The three kinds of load in an experiment's file: what a plan makes of them, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaos.errors import BadExperiment
from chaos.experiment import file as experiments
from chaos.experiment import loadfile, planning
from chaos.experiment.plan import Locust, Plan, Request
from chaos.experiment.schema import schema
from chaos.model import Node
from chaos.report.plan import render
from chaos.targets.memory.target import Memory
from tests.messages import Says

NODES = [Node(f"{c}-{z}", c, z, "", {"chaos.component": c}) for c in ("front", "stock") for z in "ab"]
FRONT: dict[str, Any] = {"journey": "front", "get": "http://front-a:8000/"}
VOTE: dict[str, Any] = {"journey": "vote", "post": "http://vote/", "form": {"vote": "a"}}
HTTP: dict[str, Any] = {"http": [VOTE, FRONT], "rate": "30/s"}
FILE: dict[str, Any] = {"locustfile": "locustfile.py", "users": 20}
PLAIN = """
from locust import HttpUser, task

class Visitor(HttpUser):
    @task
    def look(self):
        self.client.get("/")
"""


def planned(root: Path, load: Any, **over: Any) -> Plan:
    """As the commands do it: the load's file is found and read, then everything is planned."""
    doc = {
        "name": "x", "claim": "y", "load": load, "checks": [{"availability": {"at_least": 0.5}}],
        "timeline": [{"at": "5s", "fault": "kill", "where": {"name": "front-a"}, "for": "5s"}],
    }  # fmt: skip
    file = root / "experiments" / "x.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(doc | over), encoding="utf-8")
    experiment = experiments.read(file)
    assert experiment.load is not None
    load_file, users = loadfile.read(file, experiment.load, root)
    choices = planning.Choices(7, {"short": False}, {}, users=users, load_file=load_file)
    return planning.plan("x.yaml", experiment, Memory(NODES), choices)


def test_requests_become_a_plan(tmp_path: Path) -> None:
    """With methods, defaults, and half of the rate as floor."""
    cart = {"journey": "cart", "put": "http://front-a:8000/cart?x=1", "json": {"n": 1}, "weight": 3,
            "headers": {"X-Version": 2}, "expect": {"status": [200, 409], "contains": "ok"}}  # fmt: skip
    plan = planned(tmp_path, HTTP | {"http": [VOTE, cart, FRONT | {"expect": {"status": 204}}]})
    load = plan.load
    assert (load.users, load.count, load.rate, load.floor, load.locust) == ("", 10, 30.0, 15.0, None)
    assert load.http == (
        Request("vote", "POST", "http://vote/", form={"vote": "a"}),
        Request("cart", "PUT", "http://front-a:8000/cart?x=1", 3.0, {"X-Version": "2"}, json={"n": 1},
                status=(200, 409), contains="ok"),
        Request("front", "GET", "http://front-a:8000/", status=(204,)),
    )  # fmt: skip
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_a_locustfile_becomes_a_plan(tmp_path: Path) -> None:
    """Its users are started within a second, and it need not name a floor."""
    (tmp_path / "locustfile.py").write_text(PLAIN)
    load = planned(tmp_path, FILE).load
    assert (load.count, load.rate, load.floor) == (20, 0.0, 0.0)
    assert load.locust == Locust("../locustfile.py", 20.0)
    more = {"spawn_rate": "5/s", "host": "http://front-a:8000/", "tags": ["a"], "exclude_tags": ["b"],
            "classes": ["Visitor"], "floor": "2/s"}  # fmt: skip
    load = planned(tmp_path, FILE | more).load
    assert load.locust == Locust("../locustfile.py", 5.0, "http://front-a:8000", ("a",), ("b",), ("Visitor",))
    assert load.floor == 2.0


def test_a_plan_shows_its_load(tmp_path: Path, says: Says) -> None:
    """Each request, and what Locust is told; no header and no query that may be secret."""
    (tmp_path / "locustfile.py").write_text(PLAIN)
    secret = VOTE | {"headers": {"Authorization": "Bearer 0123456789abcdef"}, "weight": 3, "expect": {"contains": "ok"}}
    for load in (
        HTTP | {"http": [secret, FRONT]},
        FILE | {"host": "http://front-a:8000", "tags": ["a"], "floor": "2/s"},
    ):
        text = render(planned(tmp_path, load))
        assert "0123456789abcdef" not in text
        says(text.partition("\n\n")[2].partition("steady for")[0])


def test_secrets_of_requests_are_not_stored(tmp_path: Path) -> None:
    """In a header, a form and JSON; the run itself uses them."""
    sent = {"headers": {"Authorization": "Bearer 0123456789abcdef"}, "form": {"password": "hunter2222", "user": "me"}}
    plan = planned(
        tmp_path, HTTP | {"http": [VOTE | sent, {"journey": "j", "post": "http://a/", "json": {"token": "t0psecret"}}]}
    )
    stored = msgspec.json.encode(plan.redacted()).decode()
    assert not [word for word in ("0123456789abcdef", "hunter2222", "t0psecret") if word in stored]
    assert "t0psecret" in msgspec.json.encode(plan).decode() and '"me"' in stored


@pytest.mark.parametrize(
    "load",
    [
        "locustfile.py",
        {},
        {"rate": "3/s"},
        HTTP | {"locustfile": "locustfile.py"},
        HTTP | {"users": "users.py"},
        FILE | {"users": "20"},
        HTTP | {"http": []},
        HTTP | {"http": FRONT},
        HTTP | {"http": ["http://front/"]},
        HTTP | {"rate": 30},
        HTTP | {"rate": "0/s"},
        HTTP | {"users": 0},
        HTTP | {"floor": "40/s"},
        HTTP | {"count": 3},
        HTTP | {"http": [FRONT | {"wieght": 3}]},
        HTTP | {"http": [FRONT | {"expect": {"stauts": 200}}]},
        HTTP | {"http": [{"journey": "front"}]},
        HTTP | {"http": [{"get": "http://front/"}]},
        HTTP | {"http": [FRONT | {"post": "http://front/"}]},
        HTTP | {"http": [FRONT | {"journey": "all"}, FRONT | {"journey": " "}]},
        HTTP | {"http": [FRONT | {"weight": 0}, FRONT | {"weight": -1}]},
        HTTP | {"http": [FRONT | {"form": {"a": "b"}}]},
        HTTP | {"http": [VOTE | {"json": {}, "body": "x"}]},
        HTTP | {"http": [VOTE | {"form": {"a": True}}]},
        HTTP | {"http": [FRONT | {"headers": {"X Y": "z"}}, FRONT | {"headers": {"X": "a\r\nY: b"}}]},
        HTTP | {"http": [FRONT | {"expect": {"status": 99}}, FRONT | {"expect": {"status": []}}]},
        HTTP | {"http": [FRONT | {"expect": {"contains": ""}}]},
        HTTP | {"peak": {"at": "1s", "for": "2s", "times": 0.5}},
        FILE | {"users": 0},
        FILE | {"rate": "3/s"},
        FILE | {"spawn_rate": 0},
        FILE | {"spawn_rate": "5"},
        FILE | {"host": "front-a:8000"},
        FILE | {"host": "http://front-a:8000/#path"},
        FILE | {"tags": ["--users"]},
        FILE | {"classes": ["Vistor"]},
        FILE | {"locustfile": "nothing.py"},
    ],
    ids=str,
)
def test_wrong_loads_are_refused_in_words(tmp_path: Path, load: Any, says: Says) -> None:
    """What was found, what was expected, and where; all of it at once."""
    (tmp_path / "locustfile.py").write_text(PLAIN)
    with says.raises(BadExperiment) as e:
        planned(tmp_path, load)
    assert e.value.exit_code == 64


@pytest.mark.parametrize(
    "url",
    [
        "", "/", "front", "front:8000/", "//front/", "http://", "http:///x", "ftp://front/", "https://front/",
        "http://front:0/", "http://front:99999/", "http://front:eighty/", "http://me:secret@front/", "http://front/#top",
        "http://front/a b", "http://fro\nt/", "http://frönt/", "http://[::1/",
    ],
)  # fmt: skip
def test_urls_that_cannot_be_asked_are_refused(tmp_path: Path, url: str, says: Says) -> None:
    """With the form that is expected."""
    with says.raises(BadExperiment):
        planned(tmp_path, HTTP | {"http": [{"journey": "front", "get": url}]})


@pytest.mark.parametrize(
    "url", ["http://front", "http://front?a=b", "http://[::1]:80/x", "http://10.0.0.1/%20?q=%C3%A4"]
)
def test_urls_that_can_be_asked_are_taken(tmp_path: Path, url: str) -> None:
    """Without a path, with a query, with an address."""
    assert planned(tmp_path, HTTP | {"http": [{"journey": "front", "get": url}]}).load.http[0].url == url


def test_checks_know_the_journeys_of_requests(tmp_path: Path, says: Says) -> None:
    """As they know those of a users' file; and nothing is read back that delivery could look for."""
    with says.raises(BadExperiment):
        planned(tmp_path, HTTP, checks=[{"recovery": {"journey": "vot", "within": "5s"}}])
    with says.raises(BadExperiment):
        planned(tmp_path, HTTP, checks=[{"delivery": {"lost": 0}}])
    assert planned(tmp_path, HTTP, checks=[{"recovery": {"journey": "vote", "within": "5s"}}])


def test_journeys_of_a_locustfile_are_known_when_they_are_made(tmp_path: Path) -> None:
    """A request's name is an argument of a call: nothing is refused because of it."""
    (tmp_path / "locustfile.py").write_text(PLAIN)
    assert planned(tmp_path, FILE, checks=[{"recovery": {"journey": "GET /", "within": "5s"}}])


@pytest.mark.parametrize("places", [("", "experiments"), ("",), ("experiments",), ("experiments/sub",)])
def test_files_are_looked_for_beside_the_experiment_first(tmp_path: Path, places: tuple[str, ...]) -> None:
    """Then below the stack's experiments/, then beside the stack."""
    inner = tmp_path / "experiments" / "sub"
    inner.mkdir(parents=True)
    for n, place in enumerate(places):
        (tmp_path / place / "locustfile.py").write_text(PLAIN + f"# {n}\n")
    where = inner / "x.yaml" if places == ("experiments/sub",) else tmp_path / "experiments" / "x.yaml"
    found = loadfile.find("x", "locustfile.py", where.parent, tmp_path)
    assert found == tmp_path / places[-1] / "locustfile.py"


def test_files_outside_of_both_folders_are_refused(tmp_path: Path, says: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load sees the stack's folder, and that of a file beside the experiment; no folder of the whole machine."""
    for name in ("stack", "own"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "locustfile.py").write_text(PLAIN)
    (tmp_path / "locustfile.py").write_text(PLAIN)
    own, stack = tmp_path / "own", tmp_path / "stack"
    assert loadfile.find("x", "locustfile.py", own, stack) == own / "locustfile.py"
    with says.raises(BadExperiment):
        loadfile.find("x: load.locustfile", "../locustfile.py", own, stack)
    monkeypatch.setenv("HOME", str(own))
    with says.raises(BadExperiment):
        loadfile.find("x: load.locustfile", "locustfile.py", own, stack)


def test_the_schema_offers_each_kind() -> None:
    """For editors."""
    forms = schema()["$defs"]["Experiment"]["properties"]["load"]["anyOf"]
    assert [form["$ref"].rpartition("/")[2] for form in forms] == ["Users", "Requests", "Locustfile"]
    assert schema()["$defs"]["Request"]["oneOf"][1] == {"required": ["post"]}
