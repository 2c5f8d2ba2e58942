"""Reports of an outage: people visit, some visits fail, who has had enough looks for a form and files one report.

A model of people, seeded and pure: it is told what visits came to, and knows nothing of what the true service level
was. What stands on a form is not what was broken. A symptom fits some of its lines, most people take the first that
fits, and so the same fault fills two forms with different shares.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chaos.models.dice import draw
from chaos.plan import People, Region

CATEGORIES = ("login", "web", "app", "server")
# What a visit that failed looked like to the person, and the lines of a form that say so.
FITS: Mapping[str, tuple[str, ...]] = {
    "login": ("login", "web"),  # thrown out of the web site, or not let in
    "page": ("web", "server"),  # the web site did not answer
    "stale": ("app", "server"),  # the app shows old content
    "error": ("app", "server"),  # the app shows an error
}


@dataclass(frozen=True)
class Visit:
    t: float  # run seconds
    symptom: str = ""  # a key of FITS; empty where it went well


@dataclass(frozen=True)
class Report:
    t: float  # run seconds
    region: str
    category: str


Users = Mapping[str, Sequence[Sequence[Visit]]]  # "web" and "app": of each user of the load, visits in order of time


def reports(people: People, seed: int, users: Users, begin: float) -> tuple[Report, ...]:
    """What people file, in order of time. `begin`: when the first of them comes, run seconds.

    A person lives through what one user of the load lived through, but comes more seldom.
    """
    times = {client: [[v.t for v in visits] for visits in crowd] for client, crowd in users.items()}
    found = [
        report
        for name, region in sorted(people.regions.items())
        for who in range(people.count)
        for report in _files(people, name, region, f"{seed}:{name}:{who}", users, times, begin)
    ]
    return tuple(sorted(found, key=lambda r: (r.t, r.region, r.category)))


def _files(
    people: People, name: str, region: Region, who: str, users: Users,
    times: Mapping[str, Sequence[Sequence[float]]], begin: float,
) -> Iterator[Report]:  # fmt: skip
    """One person's report, or none."""
    client = "app" if draw(who, "client") < region.app else "web"
    if not users.get(client):
        return
    index = int(draw(who, "user") * len(users[client]))
    visits, at = users[client][index], times[client][index]
    blind = client == "app" and draw(who, "notice") >= people.notice
    patience = people.tries + int(3 * draw(who, "tries")) - 1
    failed, due = 0, begin + draw(who, "first visit") * people.visit_every
    while (k := bisect_left(at, due)) < len(visits):
        due += people.visit_every
        if at[k] >= due:  # the load sent nobody in that time
            continue
        symptom = visits[k].symptom
        failed = failed + 1 if symptom and not (blind and symptom == "stale") else 0
        if failed >= patience:
            late = -math.log1p(-draw(who, "finds form")) * people.finds_form
            yield Report(at[k] + late, name, choose(symptom, region.form, people.first, draw(who, "line")))
            return


def choose(symptom: str, form: Sequence[str], first: float, luck: float) -> str:
    """The line of the form that is ticked: the first that fits with probability `first`, else a later one.

    Where none fits it is the form's first line. `luck` in [0, 1) decides.
    """
    fitting = [line for line in form if line in FITS[symptom]] or list(form[:1])
    for line in fitting[:-1]:
        if luck < first:
            return line
        luck = (luck - first) / (1 - first)
    return fitting[-1]


def peak(times: Sequence[float], width: float) -> float | None:
    """When most reports came in, seconds: the middle of the densest stretch, with a triangle of `width` either way.

    None without reports.
    """
    ordered = sorted(times)
    if not ordered:
        return None
    low, high, grid = ordered[0], ordered[-1], 400
    points = [low + (high - low) * k / grid for k in range(grid + 1)]
    return max(points, key=lambda p: (_density(ordered, p, width), -p))


def _density(ordered: Sequence[float], at: float, width: float) -> float:
    begin, end = bisect_left(ordered, at - width), bisect_left(ordered, at + width)
    return sum(1 - abs(t - at) / width for t in ordered[begin:end])
