"""experiments/*.yaml: the file's types, read strictly. Errors name the file, the place and the fix, all at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from chaos import registry
from chaos.errors import BadExperiment

Condition = Mapping[str, Any]  # a setting's name and its value, or a list of values
Where = Mapping[str, Any]  # labels, and pick, share, except


class Stop(msgspec.Struct, forbid_unknown_fields=True, rename={"lasts": "for"}, kw_only=True):
    """Ends the run, or a fault, when success or an expression has been outside a figure for a while (run time)."""

    success: str | None = None  # a journey, or `all`
    promql: str | None = None  # an expression that comes to one number
    below: str | float | None = None
    above: str | float | None = None
    over: str = "5s"  # success: of the operations that ended in the last so many seconds
    lasts: str = "0s"
    when: Condition = {}


class Entry(msgspec.Struct, forbid_unknown_fields=True, rename={"lasts": "for", "params": "with"}, kw_only=True):
    """One line of the timeline: a fault on nodes, or something an operator does."""

    at: str
    fault: str | None = None
    do: str | None = None
    id: str | None = None
    where: Where | Sequence[Where] = {}
    lasts: str | None = None  # ends after this long; without it, and without `until`, at the end of the timeline
    every: str | None = None  # one node after the other, each so long after the one before
    until: str | Stop | None = None  # "plant": each node when its boot unit is back; or a condition that ends it early
    params: Mapping[str, Any] = {}
    when: Condition = {}


class Gap(msgspec.Struct, forbid_unknown_fields=True):
    why: str
    when: Condition = {}
    may_hold: bool = False


class Peak(msgspec.Struct, forbid_unknown_fields=True, rename={"lasts": "for"}):
    """More users for a while, in run time: users and their patience are not scaled."""

    at: str
    lasts: str
    times: float  # the ordinary rate


class Users(msgspec.Struct, forbid_unknown_fields=True):
    users: str
    count: int
    rate: str
    floor: str
    peak: Peak | None = None


class Steady(msgspec.Struct, forbid_unknown_fields=True, rename={"lasts": "for"}):
    lasts: str = "10s"
    within: str = "60s"


class StackChoice(msgspec.Struct, forbid_unknown_fields=True, rename={"sets": "set"}):
    posture: str | None = None
    sets: Mapping[str, Any] = {}  # knobs of the stack on top of the posture; the command line's --set wins


class Operation(msgspec.Struct, forbid_unknown_fields=True):
    exec: Sequence[str]  # run inside each chosen node


class Plant(msgspec.Struct, forbid_unknown_fields=True):
    """A site that boots unit by unit: see chaos/models/plant.py."""

    units: int
    servers: int
    boot: str  # servers an hour and lane
    lanes: int | str
    power: Mapping[str, str]  # time: share of the site that has power by then
    seats: Mapping[str, int] = {}  # component: boot unit; any other node is seated by the seed


class Limits(msgspec.Struct, forbid_unknown_fields=True):
    """How far the timeline may reach; a plan that goes further is refused."""

    max_nodes: int | None = None  # different nodes that any fault hits
    max_share: str | float | None = None  # of the stack's nodes
    max_duration: str | None = None  # of the timeline, and written like its times


class Region(msgspec.Struct, forbid_unknown_fields=True):
    form: Sequence[str]  # what one can report, in the order of the form
    app: str | float  # share of the people who use the app


class People(msgspec.Struct, forbid_unknown_fields=True):
    """People who report an outage: see chaos/models/reports.py. Times as in the timeline."""

    visit_every: str
    finds_form: str
    notice: str | float
    first: str | float
    regions: Mapping[str, Region]
    tries: int = 3
    count: int = 6000


class Experiment(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    claim: str
    timeline: Sequence[Entry]
    checks: Sequence[Mapping[str, Any]]
    load: Users
    incident: str | None = None  # seeds/<incident>.yaml
    scale: float = 1.0  # incident seconds a run second; the timeline and the checks are then in incident time
    stack: StackChoice = msgspec.field(default_factory=StackChoice)
    knobs: Mapping[str, Any] = {}  # settings of the experiment alone, for `when`; the command line's --set wins
    steady: Steady = msgspec.field(default_factory=Steady)
    hold: str = "2s"
    recover: str = "20s"
    operators: Mapping[str, Operation] = {}
    plant: Plant | None = None
    people: People | None = None
    limits: Limits = msgspec.field(default_factory=Limits)
    stop: Sequence[Stop] = ()
    short: Mapping[str, Any] = {}  # laid over the file by --short
    like: str | None = None  # another experiment, over which this file is laid
    sweep: Mapping[str, Sequence[Any]] = {}  # knob: values that `chaos sweep` tries where no --set says otherwise


def read(path: Path, short: bool = False) -> Experiment:
    """The experiment in `path`. Raises BadExperiment with every problem found."""
    doc = _whole(path)
    if short:
        doc = _overlaid(doc, doc.get("short") or {})
    return _convert(path, doc)


def _whole(path: Path) -> Mapping[str, Any]:
    """The file, laid over the experiment it is `like`. Lists are replaced, mappings merged."""
    doc = document(path)
    if (name := doc.get("like")) is None:
        return doc
    base = path.parent / f"{name}.yaml"
    if not base.is_file():
        known = registry.hint(str(name), [p.stem for p in path.parent.glob("*.yaml")])
        raise BadExperiment(f"{path}: like: no experiment {name!r} beside it; {known}")
    under = document(base)
    if "like" in under:
        raise BadExperiment(f"{path}: like: {name} is like {under['like']!r} itself; name that one")
    return _overlaid(under, doc)


def document(path: Path) -> Mapping[str, Any]:
    """A YAML file whose top is a mapping. Raises BadExperiment naming line and column."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise BadExperiment(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as e:
        raise BadExperiment(f"{path}: cannot be read: {e}") from None
    try:
        doc = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as e:
        at = f":{e.problem_mark.line + 1}:{e.problem_mark.column + 1}" if e.problem_mark else ""
        raise BadExperiment(f"{path}{at}: not valid YAML: {e.problem or e.context}") from None
    except yaml.YAMLError as e:
        raise BadExperiment(f"{path}: not valid YAML: {e}") from None
    if not isinstance(doc, dict):
        raise BadExperiment(f"{path}: found {type(doc).__name__}, expected a mapping; `chaos schema` prints the form")
    return doc


def _overlaid(doc: Mapping[str, Any], over: Mapping[str, Any]) -> Mapping[str, Any]:
    merged = dict(doc)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _overlaid(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _convert(path: Path, doc: Mapping[str, Any]) -> Experiment:
    """Piece by piece, so that one reading finds the problems of every piece."""
    problems: list[str] = []

    def piece(kind: Any, value: Any, place: str) -> Any:
        problems.extend(f"{path}: {place}: {p}" for p in unknown_fields(kind, value))
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as e:
            if "unknown field" not in str(e):
                problems.append(f"{path}: {place}: {_readable(e)}")
            return None

    lists = {"timeline": Entry, "stop": Stop}
    for key, kind in lists.items():
        entries = doc.get(key)
        for n, entry in enumerate(entries if isinstance(entries, list) else ()):
            piece(kind, entry, f"{key}[{n}]")
    pieces = {"load": Users, "steady": Steady, "stack": StackChoice, "plant": Plant, "people": People, "limits": Limits}
    for key, kind in pieces.items():
        if doc.get(key) is not None:
            piece(kind, doc[key], key)
    known = registry.parameters_of_struct(Experiment)
    problems += [f"{path}: unknown field {k!r}; {registry.hint(k, known)}" for k in doc if k not in known]
    if not problems:
        found = piece(Experiment, doc, "file")
        if found is not None:
            return found  # type: ignore[no-any-return]  # piece() is generic over what it is given
    raise BadExperiment(*problems)


def unknown_fields(kind: Any, value: Any) -> list[str]:
    if not isinstance(value, dict):
        return []
    known = registry.parameters_of_struct(kind)
    return [f"unknown field {k!r}; {registry.hint(str(k), known)}" for k in value if k not in known]


def _readable(e: msgspec.ValidationError) -> str:
    """msgspec's words with the place in ours: `$.load.rate` becomes `load.rate`."""
    text = re.sub(r" - at `\$\.?([^`]*)`", lambda m: f" (at {m[1]})" if m[1] else "", str(e))
    return text.replace("`", "'").replace("Object missing required field", "missing field")


def schema() -> Mapping[str, Any]:
    """JSON Schema of experiment files, for editors."""
    return msgspec.json.schema(Experiment)
