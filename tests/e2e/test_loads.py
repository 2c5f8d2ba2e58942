"""Loads without a users' file against the example of the guide, on the embedded target: requests, and a locustfile."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.stage import INCONCLUSIVE, ROOT, Done, nothing_left, play

EXPERIMENT = """
name: {name}
claim: Customers can look around while the stock is away.
load: {load}
steady: {{for: 2s, within: 20s}}
recover: 3s
timeline:
  - {{id: away, at: 0.5s, for: 3s, fault: partition, where: {{component: front}}, with: {{to: {{component: stock}}}}}}
checks:
  - availability: {{journey: "{look}", at_least: 99%}}
  - recovery: {{journey: "{order}", within: 5s}}
"""
REQUESTS = """
  rate: 60/s
  http:
    - {journey: browse, get: "http://front-a:8000/articles", expect: {contains: articles}}
    - {journey: order, post: "http://front-b:8000/orders", json: {id: u-1}, expect: {status: 201}}
"""
LOCUSTFILE = """
import ctypes
import itertools

from locust import HttpUser, between, task

numbers = itertools.count()
libc = ctypes.CDLL(None)


class Customer(HttpUser):
    wait_time = between(0.1, 0.3)

    @task(3)
    def look(self):
        self.client.get("/articles")

    @task
    def order(self):
        number = next(numbers)
        self.client.post("/orders", json={"id": f"customer-{number}"}, name="order")
        if number == BLOCKED:
            libc.usleep(1_500_000)  # as a driver in C waits for its socket
"""


def played(tmp_path: Path, name: str, load: str, look: str, order: str, blocked: int = -1) -> Done:
    """The example, with the experiment and the locustfile beside it."""
    shop = tmp_path / "shop"
    shutil.copytree(ROOT / "examples" / "shop", shop, ignore=shutil.ignore_patterns("runs"))
    (shop / "locustfile.py").write_text(f"BLOCKED = {blocked}\n{LOCUSTFILE}")
    file = shop / "experiments" / f"{name}.yaml"
    file.write_text(EXPERIMENT.format(name=name, load=load, look=look, order=order))
    stack = ("--stack", str(shop / "docker-compose.yml"), "--target", "process", "--plain")
    done = play(tmp_path / "runs", "run", name, *stack)
    assert nothing_left("process", tmp_path / "runs") == []
    return done


@pytest.mark.box
def test_requests_in_yaml_drive_a_run(tmp_path: Path) -> None:
    """No code at all: the fault shows in one journey and not in the other."""
    done = played(tmp_path, "requests", REQUESTS, "browse", "order")
    assert done.code == 0, done.out + done.err
    measures = done.findings["measures"]
    assert 2.0 < measures["rto_s"]["order"] < 5.0 and measures["rto_s"]["browse"] == 0.0
    assert measures["load"]["lowest_per_s"] > 50


LOCUST = '{locustfile: locustfile.py, users: 12, host: "http://front-a:8000"}'


@pytest.mark.box
def test_a_plain_locustfile_drives_a_run(tmp_path: Path) -> None:
    """It stands beside the stack, and the report says how much its closed loop can hide."""
    done = played(tmp_path, "locust", LOCUST, "GET /articles", "POST order")
    assert done.code == 0, done.out + done.err
    assert 2.0 < done.findings["measures"]["rto_s"]["POST order"] < 5.0
    said = done.verdict_of("closed-loop")
    assert said["verdict"] == "PASS" and "12 users wait" in said["summary"]
    assert "12 users wait for each answer" in (done.run / "report.html").read_text()


@pytest.mark.box
def test_a_run_whose_load_stood_still_does_not_pass(tmp_path: Path) -> None:
    """The line that blocked the event loop is in the findings and in the report."""
    done = played(tmp_path, "blocked", LOCUST, "GET /articles", "POST order", blocked=70)
    assert done.code == INCONCLUSIVE, done.out + done.err
    said = done.verdict_of("event-loop")
    assert said["verdict"] == "INCONCLUSIVE" and "shop/locustfile.py:" in said["summary"] and said["evidence"]
    assert "locustfile.py" in (done.run / "report.html").read_text()
