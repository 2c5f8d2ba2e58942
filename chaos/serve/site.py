"""The local site over a folder of runs: a request's path and query to an answer, no socket in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from chaos.history import History, Past, words
from chaos.serve import pages

# What a run's folder shows. users.json, which has passwords, and the logs are not among it.
SHOWN = {
    "report.html": "text/html; charset=utf-8",
    "report.md": "text/plain; charset=utf-8",
    "findings.json": "application/json",
    "junit.xml": "text/xml; charset=utf-8",
    "plan.json": "application/json",
    "journal.jsonl": "text/plain; charset=utf-8",
    "ops.jsonl": "text/plain; charset=utf-8",
}
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    status: int
    kind: str
    body: bytes


class Site:
    """Reads the index and the files anew for each request: what is shown is what there is."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs

    def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Answer:
        asked = dict(query)
        if path == "/":
            return self._index(asked.get("q", ""))
        if path == "/compare":
            return self._compare([value for key, value in query if key == "run"])
        if path.startswith("/runs/"):
            return self._file(*path.removeprefix("/runs/").rpartition("/")[::2])
        return _missing(f"There is nothing at {path}.")

    def _index(self, q: str) -> Answer:
        with History(self._runs) as history:
            found = [(run, "; ".join(words(history.measures(run)))) for run in history.runs(search=q)]
        return Answer(200, HTML, pages.index(f"{self._runs}/", q, found).encode())

    def _compare(self, wanted: Sequence[str]) -> Answer:
        known = self._known()
        runs = [known[path] for path in dict.fromkeys(wanted) if path in known]
        return Answer(200, HTML, pages.compare(runs, [self._findings(run) for run in runs]).encode())

    def _findings(self, run: Past) -> dict[str, Any]:
        try:
            found = msgspec.json.decode((self._runs / run.path / "findings.json").read_bytes())
        except (OSError, msgspec.MsgspecError):
            return {}
        return found if isinstance(found, dict) else {}

    def _file(self, path: str, name: str) -> Answer:
        """Only of runs that the index knows, only files by these names: no path of a request is opened as it is."""
        run = self._known().get(path)
        if run is None or name not in SHOWN:
            return _missing(f"There is no {name or 'file'} of a run called {path}.")
        try:
            return Answer(200, SHOWN[name], (self._runs / run.path / name).read_bytes())
        except OSError:
            return _missing(f"{path} has no {name}: chaos report {path} writes its reports.")

    def _known(self) -> dict[str, Past]:
        with History(self._runs) as history:
            return {run.path: run for run in history.runs()}


def _missing(words: str) -> Answer:
    return Answer(404, "text/plain; charset=utf-8", (words + "\n").encode())
