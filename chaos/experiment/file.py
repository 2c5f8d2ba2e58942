"""experiments/*.yaml: the file's types, read strictly. All errors are reported at once, with file, place and fix."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from chaos import forms, naming, registry, yamlfile
from chaos.errors import BadExperiment
from chaos.experiment import extensions, loads
from chaos.units import Duration, WrittenShare

Condition = Mapping[str, Any]  # a setting's name and its value, or a list of values
Where = Mapping[str, Any]  # labels, and pick, share, except
ALL = "all"  # `where: all`: every node, explicitly
if TYPE_CHECKING:
    Load = loads.Load
else:  # msgspec has no union of several structs; `_convert` chooses one by its keys
    Load = Any


class Stop(msgspec.Struct, forbid_unknown_fields=True, rename={"lasts": "for"}, kw_only=True):
    """Ends the run, or a fault, when a value has been beyond a limit for some time (run time)."""

    success: str | None = None  # a journey, or `all`
    promql: str | None = None  # an expression with one number as its result
    below: str | float | None = None
    above: str | float | None = None
    over: Duration = "5s"  # success: of the operations that ended in this period
    lasts: Duration = "0s"
    when: Condition = {}


class Entry(msgspec.Struct, forbid_unknown_fields=True, rename={"lasts": "for", "params": "with"}, kw_only=True):
    """One entry of the timeline: a fault on nodes, or an operator's act."""

    at: Duration
    fault: str | None = None
    do: str | None = None
    id: str | None = None
    where: Where | Sequence[Where] | str | None = None  # required: labels, a list of them, or `all`
    lasts: Duration | None = None  # ends after this long; without it, and without `until`, at the end of the timeline
    every: Duration | None = None  # one node after another, at this interval
    until: str | Stop | None = None  # a word of an extension, such as "plant"; or a condition that ends it early
    params: Mapping[str, Any] = {}
    when: Condition = {}


class Steady(msgspec.Struct, forbid_unknown_fields=True, rename={"lasts": "for"}):
    lasts: Duration = "10s"
    within: Duration = "60s"


class StackChoice(msgspec.Struct, forbid_unknown_fields=True, rename={"sets": "set"}):
    posture: str | None = None
    sets: Mapping[str, Any] = {}  # knobs of the stack on top of the posture; --set on the command line takes precedence


class Operation(msgspec.Struct, forbid_unknown_fields=True):
    exec: Sequence[str]  # run inside each chosen node


class Limits(msgspec.Struct, forbid_unknown_fields=True):
    """Limits for the timeline; a plan that exceeds them is refused."""

    max_nodes: int | None = None  # different nodes affected by any fault
    max_share: WrittenShare | None = None  # of the stack's nodes
    max_duration: Duration | None = None  # of the timeline, in the same notation as its times


class Experiment(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    claim: str
    timeline: Sequence[Entry]
    checks: Sequence[Mapping[str, Any]]
    load: Load | None = None  # without it, the verdict rests on probes and on what checks measure themselves
    probes: Sequence[Mapping[str, Any]] = ()  # questions with a tolerance, each with a name
    # Incident seconds per run second; the timeline and the checks are then in incident time.
    scale: Annotated[float, msgspec.Meta(ge=1e-6, le=1e9)] = 1.0
    stack: StackChoice = msgspec.field(default_factory=StackChoice)
    knobs: Mapping[str, Any] = {}  # settings of the experiment only, for `when`; --set takes precedence
    steady: Steady = msgspec.field(default_factory=Steady)
    hold: Duration = "2s"
    recover: Duration = "20s"
    operators: Mapping[str, Operation] = {}
    limits: Limits = msgspec.field(default_factory=Limits)
    stop: Sequence[Stop] = ()
    short: Mapping[str, Any] = {}  # merged into the file by --short
    like: str | None = None  # another experiment, into which this file is merged
    sweep: Mapping[str, Sequence[Any]] = {}  # knob: values that `chaos sweep` tries unless --set gives others
    blocks: Mapping[str, Any] = {}  # of extensions, which the file has beside all these, each under its name


OWN = tuple(name for name in registry.parameters_of_struct(Experiment) if name != "blocks")


def read(path: Path, short: bool = False) -> Experiment:
    """The experiment in `path`. Raises BadExperiment with every problem found."""
    doc = _whole(path)
    if short:
        over = doc.get("short") or {}
        if not isinstance(over, Mapping):
            raise BadExperiment(f"{path}: short: found {over!r:.80}, expected the differences of the short form")
        doc = _overlaid(doc, over)
    found = _convert(path, doc)
    if found.name != path.stem:
        raise BadExperiment(f"{path}: name: found {found.name!r}, expected the file's own name, {path.stem!r}")
    return found


def _whole(path: Path) -> Mapping[str, Any]:
    """The file, merged into the experiment it is `like`. Lists are replaced, mappings merged."""
    doc = _document(path)
    if (name := doc.get("like")) is None:
        return doc
    base = yamlfile.find(path.parent, str(name))
    if base is None:
        known = registry.hint(str(name), yamlfile.names(path.parent))
        raise BadExperiment(f"{path}: like: no experiment {name!r} beside it; {known}")
    under = _document(base)
    if "like" in under:
        raise BadExperiment(f"{path}: like: {name} is like {under['like']!r} itself; name that one")
    return _overlaid(under, doc)


def _document(path: Path) -> Mapping[str, Any]:
    return yamlfile.mapping(path, _is_label)


def _is_label(keys: Sequence[str]) -> bool:
    """Whether it is a label in a selector, which is text, as labels are."""
    return bool(keys) and keys[-1] not in {"pick", "share"} and ("where" in keys or "to" in keys)


def _overlaid(doc: Mapping[str, Any], over: Mapping[str, Any]) -> Mapping[str, Any]:
    merged = dict(doc)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _overlaid(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _convert(path: Path, doc: Mapping[str, Any]) -> Experiment:
    """Converted part by part, so that the problems of all parts are found at once."""
    problems: list[str] = []

    def piece(kind: Any, value: Any, place: str) -> Any:
        problems.extend(f"{path}: {place}: {p}" for p in unknown_fields(kind, value))
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as e:
            if "unknown field" not in str(e):
                problems.append(f"{path}: {place}: {forms.words(e)}")
            return None

    lists = {"timeline": Entry, "stop": Stop}
    for key, kind in lists.items():
        entries = doc.get(key)
        for n, entry in enumerate(entries if isinstance(entries, list) else ()):
            piece(kind, entry, f"{key}[{n}]")
    pieces = {"steady": Steady, "stack": StackChoice, "limits": Limits}
    for key, kind in pieces.items():
        if doc.get(key) is not None:
            piece(kind, doc[key], key)
    load = _load(doc["load"], piece, problems, path) if doc.get("load") is not None else None
    theirs = {key: kind for key, kind in extensions.blocks().items() if key not in OWN}
    blocks = {key: piece(kind, doc[key], key) for key, kind in theirs.items() if doc.get(key) is not None}
    known = [*OWN, *theirs]
    problems += [f"{path}: unknown field {k!r}; {registry.hint(k, known)}" for k in doc if k not in known]
    if not naming.fits(doc.get("name", path.stem)):  # it becomes the name of a folder
        problems.append(f"{path}: name: found {doc['name']!r}, expected {naming.EXPECTED}")
    if not problems:
        own = {key: value for key, value in doc.items() if key in OWN}
        own |= {"load": load} if load is not None else {}
        found = piece(Experiment, own | {"blocks": blocks}, "file")
        if found is not None:
            return found  # type: ignore[no-any-return]  # piece() is generic over what it is given
    raise BadExperiment(*problems)


def _load(value: Any, piece: Callable[[Any, Any, str], Any], problems: list[str], path: Path) -> Any:
    """`load` in the form that its keys say."""
    kind, why = loads.kind(value)
    if kind is None:
        problems.append(f"{path}: load: {why}")
        return None
    before = len(problems)
    for part in loads.parts(value):
        piece(*part)
    return piece(kind, value, "load") if len(problems) == before else None


def selectors(where: Any) -> Sequence[Where]:
    """`where` as a list of selectors, {} for every node; an empty list if it selects nothing."""
    if where == ALL:
        return [{}]
    found = where if isinstance(where, list | tuple) else [where]
    return found if all(isinstance(one, Mapping) and one for one in found) else []


def unknown_fields(kind: Any, value: Any) -> list[str]:
    if not isinstance(value, dict) or not issubclass(kind, msgspec.Struct):
        return []
    known = registry.parameters_of_struct(kind)
    return [f"unknown field {k!r}; {registry.hint(str(k), known)}" for k in value if k not in known]
