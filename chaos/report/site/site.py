"""The local site for a folder of runs: maps a request's path and query to an answer, without a socket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos import jsonfile
from chaos.record import findings
from chaos.record.history import History, Past, words
from chaos.report import every_format
from chaos.report.site import pages

# What can be shown of a run's folder besides its reports. users.json, which contains passwords, and logs are excluded.
RECORD = {
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
    """Reads the index and the files for each request, so that it always shows the current state."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._shown = RECORD | {report.file: report.kind for report in every_format()}

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
        return Answer(200, HTML, pages.compare(runs, [self._found(run) for run in runs]).encode())

    def _found(self, run: Past) -> findings.Document:
        return findings.read(self._runs / run.path / "findings.json") or findings.Document()

    def _file(self, path: str, name: str) -> Answer:
        """Serves only runs in the index, and only files of these names; paths of requests are never opened directly."""
        run = self._known().get(path)
        if run is None or name not in self._shown:
            return _missing(f"There is no {name or 'file'} of a run called {path}.")
        try:
            return Answer(200, self._shown[name], jsonfile.contents(self._runs / run.path / name))
        except (OSError, jsonfile.Unreadable):
            return _missing(f"{path} has no {name}: chaos report {path} writes its reports.")

    def _known(self) -> dict[str, Past]:
        with History(self._runs) as history:
            return {run.path: run for run in history.runs()}


def _missing(words: str) -> Answer:
    return Answer(404, "text/plain; charset=utf-8", (words + "\n").encode())
