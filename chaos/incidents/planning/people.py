"""`people`: plans the people who report an outage, with times in run seconds and shares as 0..1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import msgspec

from chaos import registry
from chaos.incidents import carried
from chaos.incidents.people.reports import CATEGORIES
from chaos.protocols.extension import Extension
from chaos.units import Duration, WrittenShare, share


class Region(msgspec.Struct, forbid_unknown_fields=True):
    form: Sequence[str]  # categories that can be reported, in the order of the form
    app: WrittenShare  # share of the people who use the app


class People(msgspec.Struct, forbid_unknown_fields=True):
    """People who report outages: see chaos/incidents/people/reports.py. Times as in the timeline."""

    visit_every: Duration
    finds_form: Duration
    notice: WrittenShare
    first: WrittenShare
    regions: Mapping[str, Region]
    tries: Annotated[int, msgspec.Meta(le=1000)] = 3
    count: Annotated[int, msgspec.Meta(le=carried.MOST_PEOPLE)] = 6000


@final
@dataclass
class Reporters(Extension):
    block: ClassVar = People
    carries: ClassVar = carried.People

    given: People | None

    def carry(self) -> carried.People | None:
        if (people := self.given) is None:
            return None
        self._check(people)
        settings, read = self.context.settings, self.context.problems.read
        return carried.People(
            count=people.count,
            visit_every=settings.lasting(people.visit_every, "people.visit_every"),
            tries=people.tries,
            finds_form=settings.time(people.finds_form, "people.finds_form"),
            notice=read(share, people.notice, "people.notice"),
            first=read(share, people.first, "people.first"),
            regions={
                name: carried.Region(tuple(r.form), read(share, r.app, f"people.regions.{name}.app"))
                for name, r in people.regions.items()
            },
        )

    def _check(self, people: People) -> None:
        problems = self.context.problems
        for name, region in people.regions.items():
            for line in region.form:
                if line not in CATEGORIES:
                    known = registry.hint(line, CATEGORIES)
                    problems.add(f"people.regions.{name}.form", f"nobody reports {line!r}; {known}")
        if people.tries < 2 or people.count < 1 or not people.regions:
            problems.add("people", "expected at least one region, one person, and tries of at least 2")
