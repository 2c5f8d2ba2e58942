"""A model of people who report an outage: a person whose visits keep failing gives up and files one report.

The model is seeded and pure. It knows the results of visits, but not the actual service level. A report does not name
the fault. A symptom matches several lines of a form, and most people choose the first match, so the same fault gives
different shares on two forms.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chaos.incidents.carried import People, Region
from chaos.incidents.people.dice import draw

CATEGORIES = ("login", "web", "app", "server")
# What a failed visit looked like to the person, and the lines of a form that match it.
FITS: Mapping[str, tuple[str, ...]] = {
    "login": ("login", "web"),  # logged out of the web site, or unable to log in
    "page": ("web", "server"),  # the web site did not answer
    "stale": ("app", "server"),  # the app shows old content
    "error": ("app", "server"),  # the app shows an error
}


@dataclass(frozen=True)
class Visit:
    t: float  # run seconds
    symptom: str = ""  # a key of FITS; empty if the visit succeeded


@dataclass(frozen=True)
class Report:
    t: float  # run seconds
    region: str
    category: str


Users = Mapping[str, Sequence[Sequence[Visit]]]  # by client, "web" or "app": each user's visits, in order of time


def reports(people: People, seed: int, users: Users, begin: float) -> tuple[Report, ...]:
    """Return the reports that people file, in order of time. `begin` is the earliest first visit, in run seconds.

    Each person has the experience of one user of the load, but visits less often.
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
    """Yield the report of one person, or nothing."""
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
        if at[k] >= due:  # this user of the load did not come in that interval
            continue
        symptom = visits[k].symptom
        failed = failed + 1 if symptom and not (blind and symptom == "stale") else 0
        if failed >= patience:
            late = -math.log1p(-draw(who, "finds form")) * people.finds_form
            yield Report(at[k] + late, name, choose(symptom, region.form, people.first, draw(who, "line")))
            return


def choose(symptom: str, form: Sequence[str], first: float, luck: float) -> str:
    """Return the line of the form that a person chooses: the first match with probability `first`, else a later one.

    If no line matches, it is the form's first line. `luck` in [0, 1) decides.
    """
    fitting = [line for line in form if line in FITS[symptom]] or list(form[:1])
    for line in fitting[:-1]:
        if luck < first:
            return line
        luck = (luck - first) / (1 - first)
    return fitting[-1]


def peak(times: Sequence[float], width: float) -> float | None:
    """Return the time of the highest density of reports, in seconds; None without reports.

    A triangular kernel that reaches `width` seconds to either side smooths the density.
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
