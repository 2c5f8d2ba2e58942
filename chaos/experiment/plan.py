"""A plan is an experiment without open choices: it contains no selectors, no randomness and no defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypedDict

import msgspec

from chaos.redaction import Hider, mapping, secrets, shown


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At `t` the fault is healed on `nodes`. A step of fixed length has one release; a plant has one for each boot
    unit.
    """

    t: float  # run seconds since the start of the timeline
    nodes: tuple[str, ...]
    unit: int = 0  # boot unit of the plant, starting at 1; 0 without a plant


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault on named nodes, from `at` until the last of its releases, or until a condition ends it early."""

    id: str
    at: float  # run seconds since the start of the timeline
    fault: str  # file stem in chaos/faults
    params: Mapping[str, Any]
    nodes: tuple[str, ...]
    releases: tuple[Release, ...]
    backend: str = ""  # how the target implements it
    until: StopSpec | None = None  # if it holds, all nodes are released at once

    @property
    def end(self) -> float:
        return max((r.t for r in self.releases), default=self.at)


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scripted act of an operator: a command run inside each of the nodes."""

    id: str
    at: float  # run seconds
    name: str
    command: tuple[str, ...]
    nodes: tuple[str, ...]


class Peak(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `at` to `end` (run seconds), users arrive `times` as often."""

    at: float
    end: float
    times: float


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One HTTP request of a load without code. At most one of form, json and body is set."""

    journey: str
    method: str  # GET, POST, PUT, PATCH, DELETE
    url: str  # http://HOST[:PORT]/PATH
    weight: float = 1.0  # share among all requests
    headers: Mapping[str, str] = {}
    form: Mapping[str, str] | None = None
    json: Any = msgspec.UNSET
    body: str | None = None
    status: tuple[int, ...] = ()  # accepted statuses; empty: any 2xx
    contains: str = ""  # text that the answer's body must have

    @property
    def words(self) -> str:
        """What is sent and expected, without headers and body, which may be secret."""
        wanted = " or ".join(map(str, self.status)) or "2xx"
        text = f" with {self.contains!r}" if self.contains else ""
        return f"{self.method} {self.url} ({self.journey}, weight {self.weight:g}, expects {wanted}{text})"

    def redacted(self) -> Request:
        form = None if self.form is None else mapping(self.form)
        json = self.json if self.json is msgspec.UNSET else shown("", self.json)
        headers = mapping(self.headers)
        return msgspec.structs.replace(self, url=shown("", self.url), headers=headers, form=form, json=json)

    @property
    def secrets(self) -> Iterator[str]:
        json = {} if self.json is msgspec.UNSET else {"": self.json}
        for values in (self.headers, self.form or {}, json):
            yield from secrets(values)


class Locust(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A locustfile, run by Locust. Its users wait for each answer, so a system that stalls is asked less."""

    file: str  # relative to experiments/
    spawn_rate: float  # users started a second
    host: str = ""  # for classes without a host
    tags: tuple[str, ...] = ()  # tasks are chosen by tags and exclude_tags as Locust does
    exclude_tags: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()  # of users; empty: all of the file


class LoadSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of `users`, `http` and `locust` is set; none of them if the experiment has no load."""

    users: str  # users' file, relative to experiments/; empty for another kind
    count: int  # users
    rate: float  # operations a second, all journeys together; 0 if users wait for answers, so that nothing is planned
    floor: float  # a run with a lower rate is INCONCLUSIVE
    seed: int
    peak: Peak | None = None
    http: tuple[Request, ...] = ()
    locust: Locust | None = None

    @property
    def file(self) -> str:
        """The file that it executes, relative to experiments/; empty if there is none."""
        return self.locust.file if self.locust else self.users

    @property
    def present(self) -> bool:
        """Whether the experiment has a load."""
        return bool(self.users or self.http or self.locust or self.rate)

    @property
    def said(self) -> str:
        """How many users do what, for people."""
        if not self.present:
            return "none"
        rate = f"{self.count} users, {self.rate:g} operations a second"
        if self.locust:
            return f"{self.count} users of {self.locust.file}, who wait for each answer"
        return f"{rate} of {len(self.http)} HTTP requests" if self.http else f"{rate} of {self.users}"


class ProbeSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    kind: str  # file stem in chaos/probes/questions if it has a tolerance, else in chaos/probes
    name: str
    every: float  # seconds
    params: Mapping[str, Any]
    within: float | None = None  # seconds that an answer may take; None: it has no tolerance, and measures a value


class CheckSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    check: str  # file stem in chaos/judge/checkers
    params: Mapping[str, Any]
    xfail: str = ""  # why it is expected to fail; empty if it is not, in this posture
    may_hold: bool = False  # `strict: false`
    bound: Mapping[str, Any] = {}  # looser parameters that must hold nevertheless; empty in plans older than `xfail`


class StopSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ends the run when a value has been `below` or `above` a limit for `lasts` seconds; one of the two is set."""

    id: str
    kind: str  # "success", or a file stem in chaos/probes
    of: str  # a journey or "all"; an expression
    below: float | None
    above: float | None
    over: float  # period of operations for a success rate, in seconds
    lasts: float  # seconds

    def holds(self, value: float) -> bool:
        return (self.below is not None and value < self.below) or (self.above is not None and value > self.above)

    @property
    def words(self) -> str:
        given = {"below": self.below, "above": self.above}
        bounds = [f"{word} {self.figure(v)}" for word, v in given.items() if v is not None]
        lasting = f" for {self.lasts:g} s" if self.lasts else ""
        return f"{self.subject} {' or '.join(bounds)}{lasting}"

    @property
    def subject(self) -> str:
        if self.kind != "success":
            return f"{self.kind} {self.of}"
        return f"success of {'all journeys' if self.of == 'all' else self.of} over {self.over:g} s"

    def figure(self, value: float) -> str:
        return f"{value:.1%}" if self.kind == "success" else f"{value:g}"


Kind = Literal["load", "operator", "probe", "node", "health check", "build", "mount", "privilege", "machine"]


class Program(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A program that a run starts, or a file that it makes visible, as decided by the authors of experiment and
    stack.
    """

    kind: Kind
    what: str  # a command, a file, an image
    nodes: tuple[str, ...] = ()


class PlanNode(TypedDict):
    name: str
    component: str
    zone: str
    owner: str


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All times are run seconds since the start of the timeline, t = 0."""

    experiment: str
    claim: str
    seed: int
    target: str  # compose | process | memory
    settings: Mapping[str, Any]  # the posture's knobs, and `posture` itself
    scale: float  # incident seconds a run second; 1 where there is no incident
    short: bool
    steady: float  # seconds of steady state required before t = 0
    steady_within: float  # seconds it may take to get there
    hold: float  # seconds at >= 99 % success that count as recovered
    length: float  # end of the timeline
    recover: float  # seconds of load after the end
    nodes: tuple[PlanNode, ...]
    steps: tuple[Step, ...]
    acts: tuple[Act, ...]
    load: LoadSpec
    probes: tuple[ProbeSpec, ...]
    checks: tuple[CheckSpec, ...]
    left_out: tuple[str, ...]  # checks left out on request, with the reason
    limits: Mapping[str, float] = {}  # max_nodes, max_share (0 to 1), max_duration (run seconds), as far as set
    stops: tuple[StopSpec, ...] = ()
    no_faults: bool = False  # everything is executed except faults and operators' acts
    without: tuple[str, ...] = ()  # kinds of check left out on request
    between_zones_ms: float = 0.0  # latency between zones in the network's normal state, one way
    programs: tuple[Program, ...] = ()
    kept_in: str = ""  # description of what isolates these programs from this machine
    extensions: Mapping[str, Any] = {}  # by extension, what it needs to judge the run anywhere: a struct of its own

    @property
    def posture(self) -> str:
        return str(self.settings.get("posture", ""))

    @property
    def names(self) -> set[str]:
        """All names that occur in the journal."""
        found = {self.experiment, self.target, self.posture}
        found |= {word for n in self.nodes for word in (n["name"], n["component"], n["zone"], n["owner"])}
        return found | {name for s in self.steps for name in (s.id, s.fault)} | {c.id for c in self.checks}

    def redacted(self, also: Hider | None = None) -> Plan:
        """The plan for display and storage: without secrets in settings and parameters, and without those that `also`
        knows.
        """
        given = (*(step.params for step in self.steps), *(probe.params for probe in self.probes))
        found = [*secrets(self.settings), *(text for params in given for text in secrets(params))]
        found += [text for request in self.load.http for text in request.secrets]
        own = Hider(found, self.names)

        def hide(value: Any) -> Any:
            return also.all(own.all(value)) if also else own.all(value)

        return msgspec.structs.replace(
            self,
            claim=hide(self.claim),
            settings=hide(mapping(self.settings)),
            load=msgspec.structs.replace(self.load, http=tuple(r.redacted() for r in self.load.http)),
            steps=tuple(msgspec.structs.replace(s, params=hide(mapping(s.params))) for s in self.steps),
            probes=tuple(msgspec.structs.replace(p, params=hide(mapping(p.params))) for p in self.probes),
            acts=tuple(msgspec.structs.replace(a, command=tuple(hide(a.command))) for a in self.acts),
            left_out=tuple(hide(self.left_out)),
            programs=tuple(msgspec.structs.replace(p, what=hide(p.what)) for p in self.programs),
        )

    @property
    def onset(self) -> float:
        """The start of the first fault (0 if there is none)."""
        return min((s.at for s in self.steps), default=0.0)
