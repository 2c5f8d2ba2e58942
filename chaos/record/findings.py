"""findings.json: the result of a run, for programs. Each measure is a field with its unit and its worse direction.

Every field has a default, so that findings of older versions, which had fewer fields, can still be read. `schema` is
SCHEMA in the files of this version. A file without it has the previous form, in which `facts` was called `targets`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from chaos import jsonfile
from chaos.record import older

SCHEMA = 2
Worse = Literal["more", "less", ""]


def _figure(unit: str, worse: Worse = "", never: bool = False) -> msgspec.Meta:
    """`never`: the value may be null for "never", which is worse than any number."""
    said: dict[str, Any] = {"unit": unit, "worse": worse, "never": never}
    return msgspec.Meta(extra=said, extra_json_schema={k: v for k, v in said.items() if v})


Rate = Annotated[float, _figure("share", "less")]
Share = Annotated[float, _figure("share")]
Away = Annotated[float, _figure("s", "more")]
Moment = Annotated[float, _figure("s on the timeline")]
Seconds = Annotated[float, _figure("s")]
Wait = Annotated[float, _figure("ms", "more")]
PerSecond = Annotated[float, _figure("operations/s")]
Operations = Annotated[int, _figure("operations")]
Failed = Annotated[int, _figure("operations", "more")]
Acknowledged = Annotated[int, _figure("writes")]
Damage = Annotated[int, _figure("writes", "more", never=True)]
Unread = Annotated[int, _figure("writes", "more")]
Value = Annotated[float, _figure("as its probe has it")]
Samples = Annotated[int, _figure("samples")]
Bad = Annotated[int, _figure("samples", "more")]
People = Annotated[int, _figure("people")]
Count = Annotated[int, _figure("reports")]


class Counts(msgspec.Struct, frozen=True):
    before: Operations = 0
    during: Operations = 0
    after: Operations = 0

    @property
    def since(self) -> int:
        """Operations since the first fault."""
        return self.during + self.after

    def of(self, phase: str) -> int:
        return {"before": self.before, "during": self.during, "after": self.after}[phase]


class Rates(msgspec.Struct, frozen=True):
    """Share of operations that succeeded, by phase; null if there were none."""

    before: Rate | None = None
    during: Rate | None = None
    after: Rate | None = None
    n: Operations = 0
    counts: Counts = Counts()

    def of(self, phase: str) -> float | None:
        return {"before": self.before, "during": self.during, "after": self.after}[phase]


class Success(Rates, frozen=True):
    by_client: Mapping[str, Rates] = {}


class Quantiles(msgspec.Struct, frozen=True):
    """Latency from the intended start, over all operations; null if the operation at this quantile did not succeed."""

    p50: Wait | None = None
    p95: Wait | None = None
    p99: Wait | None = None

    @property
    def all(self) -> tuple[float | None, float | None, float | None]:
        return self.p50, self.p95, self.p99


class Latency(msgspec.Struct, frozen=True, omit_defaults=True):
    """Phases without operations are left out."""

    before: Quantiles | None = None
    during: Quantiles | None = None
    after: Quantiles | None = None

    def of(self, phase: str) -> Quantiles | None:
        return {"before": self.before, "during": self.during, "after": self.after}[phase]


class Outage(msgspec.Struct, frozen=True, rename={"begin": "from"}):
    """The actual return lies between `last_failed` and `back`; `back` is null if the journey never came back."""

    begin: Moment = 0.0
    last_failed: Moment = 0.0
    back: Moment | None = None
    failed: Failed = 0
    of: Operations = 0


class Writes(msgspec.Struct, frozen=True):
    """Writes by outcome: lost (acknowledged, but missing), ghost (refused, but present), duplicated, and not read
    back.
    """

    acked: Acknowledged = 0
    lost: Damage = 0
    ghost: Damage = 0
    duplicated: Damage = 0
    unread: Unread = 0


class Delivery(Writes, frozen=True):
    """Totals, and counts by journey."""

    journeys: Mapping[str, Writes] = {}


class Radius(msgspec.Struct, frozen=True):
    """What was confirmed to be hit by a fault, and the journeys with failed operations since the first fault."""

    nodes: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    journeys: tuple[str, ...] = ()


class Load(msgspec.Struct, frozen=True):
    """Operations that were sent: over the whole run, and in the lowest full window."""

    n: Operations = 0
    floor_per_s: PerSecond = 0.0
    window_s: Seconds = 0.0
    offered_per_s: PerSecond = 0.0
    lowest_per_s: PerSecond = 0.0
    lowest_at: Moment = 0.0


class Sessions(msgspec.Struct, frozen=True):
    """One type of client: users who were logged in, the share never thrown out, log-ins since the first fault."""

    users: People = 0
    kept: Rate | None = None
    forced_log_outs: Failed = 0
    log_ins: Operations = 0
    thrown_out_at_once: Failed = 0
    refused_as_too_many: Failed = 0


class Ages(msgspec.Struct, frozen=True):
    """The age of the newest content that users were shown."""

    median_s: Away = 0.0
    most_s: Away = 0.0
    n: Operations = 0


class Staleness(msgspec.Struct, frozen=True, omit_defaults=True):
    before: Ages | None = None
    during: Ages | None = None
    after: Ages | None = None


class Range(msgspec.Struct, frozen=True):
    least: Value = 0.0
    greatest: Value = 0.0
    n: Samples = 0


class Sampled(msgspec.Struct, frozen=True, omit_defaults=True):
    before: Range | None = None
    during: Range | None = None
    after: Range | None = None


class Asked(msgspec.Struct, frozen=True):
    """Answers to a probe with a tolerance: the share of good ones by phase, null if there were none."""

    before: Rate | None = None
    during: Rate | None = None
    after: Rate | None = None
    n: Samples = 0
    bad: Bad = 0  # since the first fault
    unseen: Samples = 0  # questions that could not be asked, which says nothing about the system

    def of(self, phase: str) -> float | None:
        return {"before": self.before, "during": self.during, "after": self.after}[phase]


class Region(msgspec.Struct, frozen=True):
    n: Count = 0
    shares: Mapping[str, Share] = {}  # of the outage reports of its form
    peak_at_s: Moment | None = None


class Reports(msgspec.Struct, frozen=True):
    """Outage reports from a model of people. `beside`: when they start, how many, and the true success rate
    meanwhile.
    """

    people: People = 0  # in each region
    regions: Mapping[str, Region] = {}
    beside: tuple[tuple[Moment, Count, Share | None], ...] = ()


class Added(msgspec.Struct, frozen=True):
    """A measure of chaos/judge/figures, or of another package."""

    title: str = ""
    unit: str = ""
    worse: Worse = ""
    figures: Mapping[str, Annotated[float, _figure("as it says")] | None] = {}  # by journey, node, step …

    @property
    def named(self) -> Mapping[str, float | None]:
        """Its figures, by full name."""
        return {f"{self.title} ({of}), {self.unit}": value for of, value in self.figures.items()}


class Measures(msgspec.Struct, frozen=True, omit_defaults=True):
    """The measures of a run, by journey where that applies. Measures that the journal cannot provide are left out."""

    availability: Mapping[str, Success] = {}
    latency_ms: Mapping[str, Latency] = {}
    rto_s: Mapping[str, Away | None] = {}  # 0: nothing failed; null: never back
    outage: Mapping[str, Outage] = {}
    return_fraction: Mapping[str, Annotated[float, _figure("share of the incident", "more")] | None] | None = None
    resolution_s: Mapping[str, Seconds | None] = {}  # the resolution of the journey's other figures
    delivery: Delivery | None = None  # null or left out: nothing was read back
    rpo_s: Mapping[str, Away | None] = {}
    blast_radius: Radius = Radius()
    load: Load = Load()
    sessions: Mapping[str, Sessions] = {}  # by type of client
    staleness: Mapping[str, Staleness] = {}
    reports: Reports | None = None
    servers_back: tuple[tuple[Moment, Share], ...] = ()  # at each increase of the share of boot units that were back
    probes: Mapping[str, Sampled] = {}  # values, of probes that have any
    probe_availability: Mapping[str, Asked] = {}  # by probe with a tolerance
    probe_rto_s: Mapping[str, Away | None] = {}  # 0: no bad answer; null: never back
    added: Mapping[str, Added] = {}


class FactRow(msgspec.Struct, frozen=True):
    """One fact of the incident, with its measurement.

    `use` is calibrate (reproduced, never judged), predict or control. `holds` is null if it is not judged by a figure;
    `note` then gives the reason. If `measured` is null and `holds` is false, it never happened.
    """

    name: str
    use: str
    fact: Any
    measured: Any = None
    holds: bool | None = None
    note: str = ""
    shown: bool = True  # false: this form of the experiment cannot show it
    evidence: tuple[str, ...] = ()

    @property
    def judged(self) -> bool:
        return self.shown and self.use in ("predict", "control")


class Found(msgspec.Struct, frozen=True):
    """The finding of one check or assumption. `evidence` names lines: `ops:12`, `journal:7`."""

    check: str
    verdict: str
    summary: str = ""
    xfail: str | None = None  # why it is expected to fail
    evidence: tuple[str, ...] = ()


class Document(msgspec.Struct, frozen=True):
    """The content of findings.json."""

    schema: int = SCHEMA
    experiment: str = ""
    run: str = ""
    seed: int = 0
    target: str = ""
    posture: str = ""
    settings: Mapping[str, Any] = {}
    scale: float = 1.0  # incident seconds per run second
    short: bool = False
    verdict: str = ""
    expected_failures: int = 0  # checks that failed as expected and do not prevent a PASS
    exit: int = 0
    residue: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    measures: Measures = Measures()
    facts: tuple[FactRow, ...] = ()
    findings: tuple[Found, ...] = ()

    @property
    def figures(self) -> Mapping[str, float | None]:
        """Every number that was measured, by its dotted name."""
        return dict(flatten(msgspec.to_builtins(self.measures)))


def flatten(measures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float | None]]:
    """Every number among the measures of findings.json, by its dotted name; lists and text are left out."""
    for key, value in measures.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flatten(value, f"{name}.")
        elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            yield name, number(value)


def number(value: float | None) -> float | None:
    """The number in a form that SQLite can store."""
    return value if value is None or abs(value) < 1 << 63 else float("inf")


def read(path: Path) -> Document | None:
    """The findings in `path`, of this version or an older one; None if there are none or they have another form."""
    found = jsonfile.mapping(path)
    if "verdict" not in found:
        return None
    try:
        return msgspec.convert(_renamed(found), Document)
    except msgspec.ValidationError:
        return None


def _renamed(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The content under today's names. Before `schema` existed, a run without a read-back had an empty `delivery`."""
    made = {**found, "expected_failures": older.expected_failures(found)}
    if isinstance(rows := found.get("findings"), list):
        made["findings"] = [older.finding(f) if isinstance(f, dict) else f for f in rows]
    if "schema" in found:
        return made
    made |= {"schema": 1, "facts": found.get("targets", ())}
    measures = found.get("measures")
    if isinstance(measures, dict) and measures.get("delivery") == {}:
        made["measures"] = {k: v for k, v in measures.items() if k != "delivery"}
    return made


@dataclass(frozen=True)
class Leaf:
    """One figure of `Measures`. In its dotted name, `*` stands for a journey or another key."""

    name: str
    unit: str
    worse: Worse
    never: bool


@functools.cache
def leaves() -> tuple[Leaf, ...]:
    return tuple(_leaves(msgspec.inspect.type_info(Measures), ""))


def _leaves(kind: msgspec.inspect.Type, name: str) -> Iterator[Leaf]:
    match kind:
        case msgspec.inspect.Metadata(extra=dict() as extra):
            yield Leaf(name, str(extra["unit"]), extra["worse"], bool(extra["never"]))
        case msgspec.inspect.StructType(fields=fields):
            for field in fields:
                yield from _leaves(field.type, f"{name}.{field.encode_name}".lstrip("."))
        case msgspec.inspect.DictType(value_type=value):
            yield from _leaves(value, f"{name}.*")
        case msgspec.inspect.UnionType(types=types):
            for one in types:
                yield from _leaves(one, name)
