"""The parts of an incident that a plan carries, so that its run can be judged anywhere: dossier, people and roster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from chaos.experiment.plan import Plan
from chaos.incidents.staff.model import Roster

MOST_PEOPLE = 1_000_000  # in each region; judging a run simulates every one of them


class Region(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A region of reports: the categories of its form, in order, and the share (0..1) of people who use the app."""

    form: tuple[str, ...]
    app: float


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The people behind the load's users. They file outage reports after they give up.

    The model is in chaos/incidents/people/reports.py.
    """

    count: Annotated[int, msgspec.Meta(le=MOST_PEOPLE)]  # in each region
    visit_every: float  # run seconds between two visits of one person
    tries: int  # consecutive visits that must fail (plus or minus one) before a person gives up
    finds_form: float  # average run seconds from giving up to the report
    notice: float  # share (0..1) of the app's users who take old content for an outage
    first: float  # probability (0..1) that a person chooses the first matching line of a form
    regions: Mapping[str, Region]


class Staff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The roster as it was when the plan was made."""

    owners: Mapping[str, tuple[str, ...]] = {}  # component: people
    needs: Mapping[str, tuple[str, ...]] = {}  # component: components it depends on
    journeys: Mapping[str, tuple[str, ...]] = {}  # journey: its entry components
    takes: Mapping[str, tuple[str, ...]] = {}  # component of `lapse`: journeys lost with it
    lapse: tuple[str, ...] = ()  # components with a chore that breaks them if nobody does it

    @property
    def roster(self) -> Roster:
        return Roster(self.owners, {}, self.needs, self.journeys)


Dossier = Mapping[str, Any]  # the content of seeds/NAME.yaml


def dossier(plan: Plan) -> Dossier:
    """Return the plan's dossier; {} if the experiment names no incident."""
    found: Dossier = plan.extensions.get("incident", {})
    return found


def people(plan: Plan) -> People | None:
    """Return the plan's people; None if the experiment has no `people:`."""
    found: People | None = plan.extensions.get("people")
    return found


def staff(plan: Plan) -> Staff:
    """Return the plan's staff; an empty one if nobody leaves."""
    found: Staff | None = plan.extensions.get("staff")
    return found or Staff()


def fewer(plan: Plan, count: int) -> Plan:
    """Return the plan with `count` people in each region. The plan must have people."""
    found = people(plan)
    assert found is not None, "it has people"
    return msgspec.structs.replace(
        plan, extensions={**plan.extensions, "people": msgspec.structs.replace(found, count=count)}
    )
