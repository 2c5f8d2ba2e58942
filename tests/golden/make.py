"""Makes the recorded runs of tests/golden/ and, with --update, what must come out of them.

    python -m tests.golden.make             write the recordings again (the same bytes: everything is seeded)
    python -m tests.golden.make --update    write findings.json and report.md anew; read the diff before you commit it

The runs are made, not played: a model of who is down when, with the noise of real ones. They hold what a real run
rarely shows on demand, such as a lost write, a ghost and a broken read-back in one.
"""

from __future__ import annotations

import functools
import gzip
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml

from chaos.experiment.plan import Act, CheckSpec, LoadSpec, Plan, PlanNode, ProbeSpec, Release, Step
from chaos.incidents.carried import People, Region, Staff
from chaos.incidents.plant import boots
from chaos.judge.judge import judge
from chaos.judge.judgement import Judgement
from chaos.model import Event, Op
from chaos.record import older
from chaos.record.journal import Journal
from chaos.report.formats import findings, markdown

HERE = Path(__file__).parent
SEEDS = HERE.parent.parent / "seeds"
# Those that were recorded before findings.json said its schema.
FORMER = ("zone-fire-as-was", "zone-fire-remedied", "primary-loss-lossy", "logout-storm-as-was", "staff-exodus-latent")
RUNS = (*FORMER, "front-kill-probed")
EXPECTED = ("findings.json", "report.md")

# journey: (share of arrivals, client, operations)
JOURNEYS: Mapping[str, tuple[float, str, tuple[str, ...]]] = {
    "text": (0.33, "app", ("send", "send", "send", "read")),
    "media": (0.08, "app", ("share",)),
    "timeline": (0.12, "app", ("refresh",)),
    "push": (0.08, "app", ("fetch",)),
    "pay": (0.08, "app", ("transfer", "transfer", "balance")),
    "games": (0.05, "app", ("play",)),
    "login": (0.03, "web", ("login",)),
    "mail": (0.04, "web", ("write",)),
    "login3p": (0.03, "third-party", ("authorize",)),
    "ride": (0.05, "business", ("calls",)),
    "channel": (0.03, "business", ("post",)),
    "bank": (0.08, "bank", ("transfer", "transfer", "balance")),
}
OWNERS = {
    "gateway": "edge", "auth": "identity", "login3p": "identity", "chat": "messaging", "media": "messaging",
    "timeline": "feed", "push": "delivery", "pay": "payments", "ride": "mobility", "games": "growth",
    "channel": "business", "mail": "mail", "failover": "platform", "postgres": "data", "valkey": "data",
    "bank": "bank", "bankdb": "bank",
}  # fmt: skip
WRITES = {"send", "transfer"}

Gone = Callable[[str, float], str]  # (journey, seconds) → "", or how it fails: "refused", "hangs", "flaps"


@dataclass
class Recording:
    """A run as it is being made up."""

    plan: Plan
    dice: random.Random
    events: list[Event] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)

    def emit(self, t: float, kind: str, subject: str, **data: Any) -> None:
        self.events.append(Event(round(t, 6), kind, subject, data))

    def play(self) -> None:
        p = self.plan
        self.emit(-p.steady - 9.1, "run.start", p.experiment, seed=p.seed, target=p.target, posture=p.posture)
        self.emit(-p.steady - 0.4, "stack.up", p.target, seconds=8.7, owned=True)
        self.emit(-p.steady, "load.start", "load", rate=p.load.rate, attempt=1)
        lent = random.Random(p.seed)
        for second in range(int(p.length + p.recover)):
            self.emit(second, "probe.sample", "machine", stolen=round(abs(lent.gauss(0.0, 0.01)), 4))
        for step in p.steps:
            self._step(step)
        for act in p.acts:
            self.emit(act.at, "operator.start", act.id, name=act.name, nodes=list(act.nodes))
            self.emit(act.at + 0.31, "operator.done", act.id, codes=dict.fromkeys(act.nodes, 0), output={})
        self.emit(p.length + p.recover + 0.4, "load.stop", "load")
        self.emit(p.length + p.recover + 1.9, "residue", p.target, left=[])
        self.emit(p.length + p.recover + 3.2, "run.end", p.experiment, status="done")
        self.events.sort(key=lambda e: e.t)

    def _step(self, step: Step) -> None:
        what = {"fault": step.fault, "nodes": list(step.nodes)}
        self.emit(step.at, "step.intent", step.id, **what)
        self.emit(step.at + 0.002, "fault.inject", step.id, **what)
        self.emit(step.at + 0.031, "fault.active", step.id, **what)
        for node in step.nodes:
            self.emit(step.at + 0.033, "node.down", node, step=step.id)
        for r in step.releases:
            unit = {"unit": r.unit} if r.unit else {}
            self.emit(r.t + 0.041, "fault.heal", step.id, nodes=list(r.nodes), **unit)
            for node in r.nodes:
                self.emit(r.t + 0.5, "node.up", node, step=step.id)

    def crowd(self, gone: Gone) -> None:
        """One arrival in each 1/rate seconds, somewhere in it: no holes, no lockstep."""
        p = self.plan
        counts: dict[str, int] = {}
        names, shares = list(JOURNEYS), [share for share, _, _ in JOURNEYS.values()]
        arrivals = int((p.steady + p.length + p.recover) * p.load.rate)
        for k in range(arrivals):
            t = -p.steady + (k + self.dice.random()) / p.load.rate
            (journey,) = self.dice.choices(names, shares)
            _, client, operations = JOURNEYS[journey]
            user = f"{client[:1]}{self.dice.randrange(20)}"
            counts[user] = counts.get(user, 0) + 1
            self.ops.append(self._op(t, journey, self.dice.choice(operations), client, user, counts[user], gone))
        self.ops.sort(key=lambda op: op.end)

    def _op(self, t: float, journey: str, op: str, client: str, user: str, n: int, gone: Gone) -> Op:
        how, wait = gone(journey, t), self.dice.lognormvariate(-4.9, 0.5)
        if how == "flaps":
            how = self.dice.choice(["", "hangs"])
        result, status, error = "ok", 201 if op in WRITES else 200, ""
        if how == "hangs":
            result, status, error, wait = "info", 0, "read timed out", 2.0
        elif how == "refused":
            result, status, error = "fail", 503, "not executed: no instance"
        start = t + self.dice.expovariate(2000)
        return Op(
            round(t, 4), round(start, 4), round(start + wait, 4),
            journey, op, client, user, f"{user}-{n:06}", result, status, error,
            write=op in WRITES,
        )  # fmt: skip

    def read_back(self, lost: set[str], twice: set[str], ghosts: set[str], broken: set[str]) -> None:
        t = self.plan.length + self.plan.recover + 0.6
        for journey in ("bank", "pay", "text"):
            mine = [op for op in self.ops if op.journey == journey and op.write]
            for user in sorted({op.user for op in mine}):
                ids = [op.id for op in mine if op.user == user and op.ok and op.id not in lost]
                ids += [op.id for op in mine if op.user == user and op.id in ghosts]
                ids += [i for i in ids if i in twice]
                ok = user not in broken
                page = (t, t, t + 0.02, journey, "readback", JOURNEYS[journey][1], user, f"{user}-read")
                answer = ("ok", 200, "", tuple(sorted(ids))) if ok else ("info", 504, "page 1 of 1", ())
                self.ops.append(Op(*page, *answer))
                t = round(t + 0.021, 4)


def dossier(name: str) -> Any:
    return yaml.safe_load((SEEDS / f"{name}.yaml").read_text())


def nodes(remedied: bool) -> Iterator[PlanNode]:
    pairs = ["auth", "login3p", "chat", "timeline", "push", "pay", "ride", "postgres"]
    alone = ["media", "games", "channel", "mail", "valkey"]
    found = [(f"gateway-{z}", "gateway", z) for z in "abc"] + [("bank-c", "bank", "c"), ("bankdb-c", "bankdb", "c")]
    found += [(f"{c}-{z}", c, z) for c in pairs for z in "ab"]
    found += [(f"{c}-{z}", c, z) for c in alone for z in ("ab" if remedied else "a")]
    found += [(f"failover-{z}", "failover", z) for z in ("abc" if remedied else "a")]
    for name, component, zone in sorted(found):
        yield PlanNode(name=name, component=component, zone=zone, owner=OWNERS[component])


SEATS = {
    "valkey": 8, "login3p": 8, "pay": 12, "ride": 12, "games": 12, "timeline": 12, "push": 20, "media": 20,
    "channel": 20, "mail": 32,
}  # fmt: skip


def zone_fire(posture: str) -> Recording:
    remedied = posture == "remedied"
    units = [round(t, 6) for t in boots(32, 1000 / 986, 1, [(10, 0), (17.5, 0.9), (38.5, 0.95), (85.5, 1)])]
    site = tuple(nodes(remedied))
    burned = [n["name"] for n in site if n["zone"] == "a"]
    half = {"failover", "chat", "media", "pay", "push", "games", "valkey", "mail"}
    first = [n for n in burned if n.split("-")[0] in half]
    steps = [("first-blow", 0.55, first), ("second-blow", 1.47, [n for n in burned if n not in first])]
    seat = {n: SEATS.get(n.split("-")[0], 5) for n in burned}
    command = ("python3", "-m", "services.ha.promote")
    promote = Act("promote-1", 10.0, "promote", command, ("auth-b", "chat-b", "postgres-b"))
    plan = Plan(
        experiment="zone-fire",
        claim="Losing zone a loses no acknowledged message, and text is back within 4 h of incident time.",
        seed=7,
        target="process",
        settings={"posture": posture, "tools_replicated": remedied, "data_replicated": remedied, "boot_lanes": 1},
        scale=3600.0,
        short=False,
        steady=10.0,
        steady_within=60.0,
        hold=2.0,
        length=units[-1],
        recover=20.0,
        nodes=site,
        steps=tuple(
            Step(name, at, "power", {}, tuple(hit), tuple(
                Release(t, tuple(n for n in hit if seat[n] == u), u) for u, t in enumerate(units, 1)
            ))
            for name, at, hit in steps
        ),
        acts=() if remedied else (promote,),
        load=LoadSpec("users/messaging.py", 40, 40.0, 30.0, 7),
        probes=(),
        checks=(
            CheckSpec("delivery-1", "delivery", {"lost": 0, "ghost": 0, "duplicated": 0},
                      "" if remedied else "the standby database is asynchronous", not remedied),
            CheckSpec("recovery-2", "recovery", {"journey": "text", "within": 4.0},
                      "" if remedied else "the failover tool burned with the zone"),
            CheckSpec("availability-3", "availability", {"journey": "bank", "at_least": 0.999}),
            CheckSpec("latency-4", "latency", {"journey": "bank", "p95_ms": 500}),
            CheckSpec("incident-5", "incident", {"targets": ["predict", "control"], "reproduced": ["order_of_return"]}),
        ),
        left_out=(),
        extensions={"incident": dossier("kakao-2022-10-15")},
    )  # fmt: skip
    made = Recording(plan, random.Random(7))
    made.play()
    back = {"login": 18.97, "login3p": 18.99, "pay": 23.0, "ride": 22.98, "games": 23.02, "timeline": 23.05}
    back |= {"push": 31.1, "media": 31.12, "channel": 31.15, "mail": 87.1, "text": 10.42}
    healed = dict.fromkeys(back, 2.93) | {"media": 2.6, "mail": 2.6, "games": 2.6, "channel": 2.6}

    def gone(journey: str, t: float) -> str:
        until = (healed if remedied else back).get(journey, 0.0)
        begin = 0.55 if journey in {"media", "pay", "push", "games", "mail", "login", "login3p"} else 1.47
        if journey == "text" and 0.55 <= t < 1.0:
            return "flaps"  # half of the chats are gone until the gateways have noticed
        if not begin <= t < until:
            return ""
        return "hangs" if t < begin + 0.4 else "refused"

    made.crowd(gone)
    made.read_back(set(), set(), set(), set())
    return made


def primary_loss() -> Recording:
    """Scale 1, no incident: what an asynchronous standby loses, and everything else a read-back can show."""
    plan = Plan(
        experiment="primary-loss",
        claim="Losing the primary loses nothing, and text is back within 3 s.",
        seed=11,
        target="compose",
        settings={"posture": "as-was", "tools_replicated": False, "data_replicated": False},
        scale=1.0,
        short=False,
        steady=10.0,
        steady_within=60.0,
        hold=2.0,
        length=20.0,
        recover=15.0,
        nodes=tuple(nodes(False)),
        steps=(Step("death", 5.0, "kill", {}, ("postgres-a",), (Release(20.0, ("postgres-a",)),)),),
        acts=(),
        load=LoadSpec("users/messaging.py", 60, 80.0, 60.0, 11),
        probes=(
            ProbeSpec("promql", "promql-5", 1.0, {"expr": "sum(rate(http_errors_total[5s]))"}),
            ProbeSpec("metrics", "metrics-6", 1.0, {"component": "postgres", "series": "stack_database_primary"}),
        ),
        checks=(
            CheckSpec("delivery-1", "delivery", {"lost": 0, "ghost": 0, "duplicated": 0}),
            CheckSpec("recovery-2", "recovery", {"journey": "text", "within": 3.0}),
            CheckSpec("latency-3", "latency", {"journey": "text", "p99_ms": 100, "phase": "after"}),
            CheckSpec("availability-4", "availability", {"at_least": 0.9, "phase": "during"}),
            CheckSpec("promql-5", "promql", {
                "expr": "sum(rate(http_errors_total[5s]))", "at_most": 1.0, "phase": "after", "name": "promql-5"}),
            CheckSpec("metrics-6", "metrics", {
                "component": "postgres", "series": "stack_database_primary", "total": True, "at_most": 1,
                "name": "metrics-6"}),
        ),
        left_out=(),
    )  # fmt: skip
    made = Recording(plan, random.Random(11))
    made.play()
    for second in range(-9, 34):
        made.emit(second + 0.25, "probe.sample", "promql-5", value=round(24.5 if 5 <= second <= 12 else 0.0, 2))
        one = {} if 5 <= second < 20 else {"postgres-a": float(second < 5)}  # dead, then back as the standby
        made.emit(second + 0.3, "probe.sample", "metrics-6", **one, **{"postgres-b": float(second > 8)})
    made.events.sort(key=lambda e: e.t)
    made.crowd(lambda journey, t: "hangs" if journey in {"text", "pay"} and 5.0 <= t < 9.3 else "")
    sent = [op for op in made.ops if op.journey == "text" and op.op == "send"]
    lost = {op.id for op in sent if op.ok and 4.7 <= op.end < 5.0}
    twice = {next(op.id for op in sent if op.ok and op.t > 12)}
    refused = max((op for op in sent if not op.ok and op.t < 6), key=lambda op: op.t)
    made.ops = [
        msgspec.structs.replace(op, result="fail", status=503, error="not executed: standby") if op is refused else op
        for op in made.ops
    ]
    made.read_back(lost, twice, {refused.id}, {"b3"})
    return made


def staff_exodus() -> Recording:
    """Three of four people leave; chat and media lapse, each in its time, until somebody has learnt them."""
    who = {"gateway": ["ana", "bo"], "chat": ["cy"], "media": ["cy", "dana"], "pay": ["bo"], "bank": ["eli"]}
    journeys = {"text": ["gateway", "chat"], "media": ["gateway", "media"], "pay": ["gateway", "pay"], "bank": ["bank"]}
    lapse = ["chat", "gateway", "media", "pay"]
    staff = msgspec.convert({"owners": who, "journeys": journeys, "lapse": lapse}, Staff)
    params = {"leave": ["cy", "dana", "eli"], "variable": "GONE", "ask": ["ask"]}
    plan = Plan(
        experiment="staff-exodus-latent",
        claim="What they alone cared for breaks, and nothing else.",
        seed=7,
        target="process",
        settings={"posture": "as-was", "arm": "latent", "chores": True, "chore_life": 6},
        scale=86400.0,
        short=False,
        steady=10.0,
        steady_within=60.0,
        hold=2.0,
        length=20.0,
        recover=6.0,
        nodes=(*nodes(False), PlanNode(name="caretaker-a", component="caretaker", zone="a", owner="platform")),
        steps=(Step("exodus", 1.0, "staff", params, ("caretaker-a",), (Release(20.0, ("caretaker-a",)),)),),
        acts=(Act("repair", 15.0, "adopt", ("adopt",), ("caretaker-a",)),),
        load=LoadSpec("users/messaging.py", 40, 40.0, 30.0, 7),
        probes=(),
        checks=(
            CheckSpec("orphans-1", "orphans", {"by": "lapse"}),
            CheckSpec("alarm-2", "alarm", {"by": "slo"}),
            CheckSpec("alarm-3", "alarm", {"by": "reports"}, "worried messages and chores that lapse are two things"),
            CheckSpec("availability-4", "availability", {"journey": "bank", "at_least": 0.999}),
            CheckSpec("incident-5", "incident", {"targets": ["predict", "control"]}),
        ),
        left_out=(),
        extensions={"incident": dossier("twitter-2022-11-17"), "staff": staff},
    )
    made = Recording(plan, random.Random(7))
    made.play()
    made.events = [e for e in made.events if not e.kind.startswith("node.")]  # nobody died
    made.emit(20.03, "step.heal", "exodus", nodes=["caretaker-a"])
    made.events.sort(key=lambda e: e.t)
    from_ = {"text": 6.4, "media": 8.9}
    made.crowd(lambda journey, t: "refused" if from_.get(journey, 99.0) <= t < 15.2 else "")
    made.read_back(set(), set(), set(), set())
    return made


def logout_storm() -> Recording:
    """Three in ten session back ends reject what they do not know, for three hours at 450 seconds a second."""
    hit = ("auth-a", "auth-b", "timeline-a", "timeline-b")
    gap = "a back end rejects what it does not know"
    people = People(2000, 2.0, 3, 0.8, 0.06, 0.66, {
        "indonesia": Region(("login", "web", "app"), 0.5),
        "united_states": Region(("web", "app", "server"), 0.75),
        "japan": Region(("web", "server", "app"), 0.9),
    })  # fmt: skip
    plan = Plan(
        experiment="logout-storm",
        claim="A release that does not know old sessions throws nobody out.",
        seed=7,
        target="process",
        settings={"posture": "as-was", "exposure": 0.3, "page_checks": 5, "session_grace": "none",
                  "status_page": "hand"},
        scale=450.0,
        short=False,
        steady=4.0,
        steady_within=40.0,
        hold=2.0,
        length=24.0,
        recover=6.0,
        nodes=tuple(nodes(False)),
        steps=(Step("release", 0.0, "deploy", {"environment": {"SESSION_EXPOSURE": "0.3"}}, hit,
                    (Release(24.0, hit),)),),
        acts=(),
        load=LoadSpec("users/logout.py", 30, 40.0, 32.0, 7),
        probes=(),
        checks=(
            CheckSpec("sessions-1", "sessions", {"client": "app", "at_least": 0.99}),
            CheckSpec("sessions-2", "sessions", {"client": "web", "at_least": 0.95}, gap),
            CheckSpec("availability-3", "availability", {"journey": "page", "at_least": 0.97}, gap),
            CheckSpec("staleness-4", "staleness", {"journey": "refresh", "older_than": 16.0, "at_most": 0.01}, gap),
            CheckSpec("staleness-5", "staleness", {"journey": "refresh", "older_than": 240.0, "at_most": 0.01}),
            CheckSpec("incident-6", "incident", {"targets": ["predict", "control"]}),
        ),
        left_out=(),
        extensions={"incident": dossier("twitter-2022-12-28"), "people": people},
    )  # fmt: skip
    made = Recording(plan, random.Random(7))
    made.play()
    made.events = [e for e in made.events if not e.kind.startswith("node.")]  # a restart is no death
    out: set[str] = set()
    for k in range(34 * 40):
        made.ops.append(_stormy(made.dice, -4 + (k + made.dice.random()) / 40, k, out))
    made.ops.sort(key=lambda op: op.end)
    return made


def _stormy(dice: random.Random, t: float, k: int, out: set[str]) -> Op:
    """One visit: a page of five checks, a refresh of five calls, or a look at the status page. `out`: logged out."""
    kind = dice.choices(("page", "refresh", "status"), (68, 26, 6))[0]
    works = not 0 <= t < 24 or dice.random() < 0.7**5
    end = t + dice.lognormvariate(-4.0, 0.3)
    if kind == "page":
        user = f"w{dice.randrange(20)}"
        note = "logged in" if user in out else ""
        (out.discard if works else out.add)(user)
        said = note if works else f"{note}, thrown out a moment later" if note else "thrown out"
        line, client, name = ("ok" if works else "fail", 200 if works else 401, said), "web", "browse"
    elif kind == "refresh":
        user, client, name = f"a{dice.randrange(8)}", "app", "refresh"
        line = ("ok", 200, "") if works else ("info", 200, "content is old")
    else:
        user, client, name, works = f"j{dice.randrange(2)}", "public", "look", True
        line = ("ok", 200, "status page says operational")
    age = None if kind != "refresh" else dice.random() if works else 184 + end
    times = (round(t, 4), round(t, 4), round(end, 4))
    return Op(*times, kind, name, client, user, f"{user}-{k:06}", *line, age=None if age is None else round(age, 3))


def front_kill() -> Recording:
    """No load: a front is killed for five seconds, and probes ask for the service, a port and the quorum."""
    site = tuple(
        PlanNode(name=n, component=n[:-1], zone=n[-1], owner="web") for n in ("fronta", "frontb", "kva", "kvb")
    )
    asked = {
        "front": ProbeSpec("http", "front", 0.25, {"get": "http://fronta:8080/", "status": 200}, 1.0),
        "port": ProbeSpec("tcp", "port", 0.5, {"connect": "frontb:8080"}, 1.0),
        "quorum": ProbeSpec("exec", "quorum", 1.0, {"node": "kva", "run": ["kvctl", "health"]}, 1.0),
    }
    plan = Plan(
        experiment="front-kill",
        claim="A killed front is back within ten seconds, and the quorum never notices.",
        seed=7,
        target="process",
        settings={},
        scale=1.0,
        short=False,
        steady=8.0,
        steady_within=60.0,
        hold=2.0,
        length=6.0,
        recover=12.0,
        nodes=site,
        steps=(Step("kill", 1.0, "kill", {}, ("fronta",), (Release(6.0, ("fronta",)),)),),
        acts=(),
        load=LoadSpec("", 0, 0.0, 0.0, 7),
        probes=tuple(asked.values()),
        checks=(
            CheckSpec("probe-1", "probe", {"name": "front", "back_within": 10.0}),
            CheckSpec("probe-2", "probe", {"name": "front", "at_least": 0.95, "phase": "after"}),
            CheckSpec("probe-3", "probe", {"name": "front", "at_least": 0.99}, "one front serves alone", False,
                      {"at_least": 0.5}),
            CheckSpec("probe-4", "probe", {"name": "port", "at_least": 1.0}),
            CheckSpec("probe-5", "probe", {"name": "quorum", "at_least": 0.999}),
        ),
        left_out=(),
    )  # fmt: skip
    made = Recording(plan, random.Random(7))
    made.play()
    for name, spec in asked.items():
        k = 0
        while (t := -plan.steady + k * spec.every + made.dice.random() / 1000) < plan.length + plan.recover:
            down = name == "front" and 1.002 <= t < 6.3
            said = {"ok": 0, "why": "Connection refused"} if down else {"ok": 1}
            figures = {"http": {} if down else {"status": 200.0}, "tcp": {}, "exec": {"code": 0.0}}[spec.kind]
            made.emit(t, "probe.sample", name, ms=round(made.dice.lognormvariate(1.0, 0.4), 3), **said, **figures)
            k += 1
    for t in (9.4, 10.4):  # the engine was busy
        made.events = [e for e in made.events if e.subject != "quorum" or not t - 0.9 < e.t < t + 0.1]
    made.emit(9.0, "probe.error", "quorum", error="kva: the engine did not answer within 10 s")
    made.events.sort(key=lambda e: e.t)
    return made


def main(update: bool) -> None:
    if update:
        for name in RUNS:
            for file, text in outcome(name).items():
                (HERE / name / file).write_text(text)
        return
    runs = (zone_fire("as-was"), zone_fire("remedied"), primary_loss(), logout_storm(), staff_exodus(), front_kill())
    for name, made in zip(RUNS, runs, strict=True):
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        plan = msgspec.json.encode(made.plan, order="sorted")
        (folder / "plan.json").write_bytes(msgspec.json.format(plan, indent=1) + b"\n")
        (folder / "journal.jsonl").write_bytes(_lines(made.events))
        (folder / "ops.jsonl.gz").write_bytes(gzip.compress(_lines(made.ops), mtime=0))


@functools.cache
def load(name: str) -> Journal:
    """A recorded run. Its ops.jsonl is kept compressed, so Journal.load cannot read the folder as it stands."""
    folder = HERE / name
    events = [msgspec.json.decode(x, type=Event) for x in (folder / "journal.jsonl").read_bytes().splitlines()]
    raw = gzip.decompress((folder / "ops.jsonl.gz").read_bytes())
    ops = [msgspec.json.decode(x, type=Op) for x in raw.splitlines()]
    return Journal(older.plan(folder / "plan.json"), tuple(events), tuple(ops))


@functools.cache
def verdict(name: str) -> Judgement:
    """What the recorded run comes to, once for all tests."""
    return judge(load(name), f"runs/golden/{name}")


def outcome(name: str) -> dict[str, str]:
    """What the recorded run must come to, file by file."""
    made = (findings.render(load(name), verdict(name)), markdown.render(load(name), verdict(name)))
    return dict(zip(EXPECTED, made, strict=True))


def _lines(found: Sequence[Event | Op]) -> bytes:
    rows = (msgspec.to_builtins(x) for x in found)
    compact = ({k: v for k, v in row.items() if k == "t" or v not in ("", [], {}, 0, None)} for row in rows)
    return b"".join(msgspec.json.encode(x) + b"\n" for x in compact)


if __name__ == "__main__":
    main("--update" in sys.argv[1:])
