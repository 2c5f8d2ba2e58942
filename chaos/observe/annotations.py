"""Annotations in Grafana: for each step, a region from injection to heal, with its fault and nodes.

The run writes events to a pipe. A thread of the outer process posts them, because a run inside the box has no outside
network. Failures of Grafana never affect the run; dashboards can use chaos_fault_active instead.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from chaos.errors import BadExperiment, ChaosError
from chaos.experiment.plan import Plan
from chaos.model import Event

TOKEN = "CHAOS_GRAFANA_TOKEN"  # of a service account that may write annotations
PASSWORD = "CHAOS_GRAFANA_PASSWORD"  # of the admin, if there is no token; docker-compose.yml has the same default
TOY = "toy-grafana"
TIMEOUT = 2.0  # seconds for one request
LAST = 5.0  # seconds for posting the remaining annotations after the run has ended
TAG = "chaos"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Grafana:
    """The HTTP API of one Grafana. Every method raises ChaosError. Times are milliseconds since the epoch."""

    def __init__(self, url: str, environ: Mapping[str, str] = os.environ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadExperiment(f"--grafana {url}: expected an address such as http://127.0.0.1:3000")
        self.url = url.rstrip("/")
        login = base64.b64encode(f"admin:{environ.get(PASSWORD, TOY)}".encode()).decode()
        token = environ.get(TOKEN)
        self._headers = {"Authorization": f"Bearer {token}" if token else f"Basic {login}"}
        # Requests to this machine do not go through a proxy.
        self._open = (build_opener(ProxyHandler({})) if parts.hostname in LOOPBACK else build_opener()).open

    def begin(self, at: int, text: str, tags: list[str]) -> int:
        """Create a mark at `at`, which `end` extends to a region; returns its id."""
        return int(self._ask("POST", "/api/annotations", {"time": at, "text": text, "tags": tags})["id"])

    def end(self, id_: int, at: int) -> None:
        self._ask("PATCH", f"/api/annotations/{id_}", {"timeEnd": at})

    def check(self) -> None:
        """Check that it answers and accepts the credentials."""
        self._ask("GET", "/api/org")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, "Content-Type": "application/json"}
        try:
            with self._open(Request(self.url + path, data, headers, method=method), timeout=TIMEOUT) as answer:
                found = json.loads(answer.read())
        except HTTPError as e:
            hint = f"; give a token that may write annotations in {TOKEN}" if e.code in (401, 403) else ""
            raise ChaosError(f"{self.url}{path}: Grafana answered {e.code} {e.reason}{hint}") from None
        except (OSError, HTTPException) as e:
            reason = getattr(e, "reason", None) or e
            raise ChaosError(f"{self.url}{path}: no Grafana answers ({reason}); is it started there?") from None
        except ValueError:
            raise ChaosError(f"{self.url}{path}: the answer is not JSON; is a Grafana there?") from None
        if not isinstance(found, dict):
            raise ChaosError(f"{self.url}{path}: found {type(found).__name__}, expected an object; is a Grafana there?")
        return found


class Annotations:
    """The run's side. `tell` has to receive every event. `pipe` None: annotations are not written."""

    def __init__(
        self, plan: Plan, run: str, pipe: int | None, clock: Callable[[], float] = time.time
    ) -> None:  # fmt: skip
        self._plan, self._run, self._pipe, self._clock = plan, run, pipe, clock
        self._owed: dict[str, set[str]] = {}  # step: nodes on which its fault has not been healed yet
        if pipe is not None:
            os.set_blocking(pipe, False)  # a Grafana that hangs must not block the run

    def tell(self, event: Event) -> None:
        step, nodes = event.subject, event.data.get("nodes", ())
        if event.kind == "run.start":
            self._say("begin", "", f"{self._plan.experiment}: {self._plan.claim}", ["run"])
        elif event.kind == "fault.inject":
            fault = str(event.data["fault"])
            self._owed[step] = set(nodes)
            self._say("begin", step, f"{step}: {fault} on {', '.join(nodes)}", ["fault", fault, f"step:{step}"])
        elif event.kind == "fault.heal" and step in self._owed:
            self._owed[step].difference_update(nodes)
            if not self._owed[step]:
                del self._owed[step]
                self._say("end", step)
        elif event.kind == "run.end":
            for left in [*self._owed, ""]:
                self._say("end", left)

    def _say(self, what: str, key: str, text: str = "", tags: list[str] | None = None) -> None:
        if self._pipe is None:
            return
        line: dict[str, Any] = {"what": what, "key": key, "at": int(1000 * self._clock())}
        if what == "begin":
            line |= {"text": f"{text} ({self._run})", "tags": [TAG, *(tags or []), self._plan.experiment]}
        with contextlib.suppress(OSError):  # the pipe is full or closed: dashboards still have the metric
            os.write(self._pipe, json.dumps(line).encode() + b"\n")


@contextlib.contextmanager
def written(url: str, say: Callable[[str], None] = lambda text: print(text, file=sys.stderr)) -> Iterator[int | None]:
    """A pipe whose lines are posted to the Grafana at `url` while the block lasts; None if it refuses access."""
    grafana = Grafana(url)
    try:
        grafana.check()
    except ChaosError as e:
        say(f"no annotations: {e} Dashboards draw faults from chaos_fault_active instead.")
        yield None
        return
    read, write = os.pipe()
    thread = threading.Thread(target=_post, args=(read, grafana, say), daemon=True)
    thread.start()
    try:
        yield write
    finally:
        os.close(write)
        thread.join(LAST)


def _post(pipe: int, grafana: Grafana, say: Callable[[str], None]) -> None:
    """Post lines until the last writer has closed the pipe. Reports the first failure, and keeps trying."""
    open_: dict[str, int] = {}
    told = False
    with open(pipe, "rb") as lines:
        for text in lines:
            line = json.loads(text)
            try:
                if line["what"] == "begin":
                    open_[line["key"]] = grafana.begin(line["at"], line["text"], line["tags"])
                elif line["key"] in open_:
                    grafana.end(open_.pop(line["key"]), line["at"])
            except ChaosError as e:
                if not told:
                    say(f"an annotation was not written: {e} The run goes on.")
                told = True
