"""Every query of every panel, asked of the run's real Prometheus while the run goes on, until it has had an answer."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterable
from typing import Any, Self
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from observe.dashboards import BOARDS
from observe.dashboards.panels import FAULTS, Query

PROMETHEUS = "http://127.0.0.1:9090/api/v1/"
EVERY = 2.0  # seconds
LOOK_BACK = 20  # seconds

Asked = tuple[str, str, Query]  # dashboard, panel, query


def queries(*needs: str) -> list[Asked]:
    """Those of panels that need nothing, or one of `needs`; and the query that draws faults."""
    panels = [(name, panel) for name, board in BOARDS.items() for panel in board.panels]
    found = [(name, p.title, q) for name, p in panels if not p.needs or p.needs in needs for q in p.queries]
    return [*found, ("every", "annotations", Query(FAULTS))]


class Prober:
    """Asks in a thread of its own while the block lasts. `left` is what never had an answer with a number in it."""

    def __init__(self, asked: Iterable[Asked]) -> None:
        self.left = list(asked)
        self.errors: dict[str, str] = {}  # expression: what Prometheus said
        self._open = build_opener(ProxyHandler({})).open
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        while self.left and not self._ended.wait(EVERY):
            self.left = [one for one in self.left if not self._answered(one[2])]

    def _answered(self, query: Query) -> bool:
        now = time.time()
        what: dict[str, Any] = {"query": query.expr}
        what |= {} if query.now else {"start": now - LOOK_BACK, "end": now, "step": 2}
        try:
            kind = "query" if query.now else "query_range"
            with self._open(f"{PROMETHEUS}{kind}?{urlencode(what)}", timeout=2) as answer:
                result = json.loads(answer.read())["data"]["result"]
        except (OSError, ValueError) as e:
            self.errors[query.expr] = str(e)
            return False
        values = [v for row in result for v in row.get("values", [row.get("value")])]
        return any(math.isfinite(float(v)) for _, v in values)


def unanswered(prober: Prober) -> list[str]:
    """In words, with what Prometheus said of it last."""
    return [f"{board}, {panel}: {q.expr} ({prober.errors.get(q.expr, 'no data')})" for board, panel, q in prober.left]
