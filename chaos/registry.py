"""Finds plug-ins: a name in YAML is a file stem, `fault: pause` means the one public class of chaos/faults/pause.py.

Other packages add theirs by an entry point: in the group chaos.faults, chaos.probes, chaos.questions, chaos.checkers,
chaos.assumptions, chaos.measures, chaos.dossiers, chaos.reports or chaos.extensions, a name and the class that it
means, `disk-slow = "my_package.faults:DiskSlow"`. Our own incidents are added so. Nothing in a YAML file names a
module.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, get_type_hints

import msgspec

from chaos import units
from chaos.errors import BadExperiment


def names(package: str) -> list[str]:
    """All names in `package` (chaos.faults, chaos.probes, …), sorted: zone_cut.py is zone-cut."""
    return sorted({*_own(package), *installed(package)})


def load(package: str, name: str) -> type[Any]:
    """The class for `name`. Raises BadExperiment for an unknown name, or for an installed plug-in that is broken."""
    kind = _group(package).removesuffix("s")
    if name in _own(package):
        return _public_class(importlib.import_module(f"{package}.{name.replace('-', '_')}"))
    if name not in (plugins := installed(package)):
        raise BadExperiment(f"no {kind} called {name!r}; {hint(name, names(package))}")
    plugin = plugins[name]
    try:
        found = plugin.load()
    except Exception as e:  # the plug-in's module may raise anything
        raise BadExperiment(f"{kind} {name!r} ({plugin.value}) cannot be loaded: {type(e).__name__}: {e}") from e
    if not (inspect.isclass(found) and dataclasses.is_dataclass(found)):
        raise BadExperiment(f"{kind} {name!r}: {plugin.value} is {found!r}, expected a dataclass")
    wanted = _kind(package)
    if wanted is not None and wanted not in found.__mro__:
        raise BadExperiment(
            f"{kind} {name!r}: {plugin.value} is no chaos.protocols.{wanted.__name__}; derive it from it"
        )
    return found


def _own(package: str) -> list[str]:
    found: ModuleType = importlib.import_module(package)
    modules = (m for m in pkgutil.iter_modules(found.__path__) if not m.ispkg)
    stems = (m.name for m in modules if not m.name.startswith("_"))
    return [stem.replace("_", "-") for stem in stems]


@functools.cache
def installed(package: str) -> Mapping[str, EntryPoint]:
    """Plug-ins of other packages. A built-in one of the same name takes precedence."""
    return {e.name: e for e in entry_points(group=f"chaos.{_group(package)}")}


def _group(package: str) -> str:
    """The name of the entry point group: faults, probes, checkers, assumptions, measures."""
    kind = _kind(package)
    return f"{kind.__name__.lower()}s" if kind else package.rpartition(".")[2]


def _kind(package: str) -> type[Any] | None:
    """The protocol of the package's classes, whose defaults they inherit; None if the package names none."""
    found: type[Any] | None = vars(importlib.import_module(package)).get("KIND")
    return found


def _public_class(module: ModuleType) -> type[Any]:
    classes = [
        value
        for key, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and not key.startswith("_")
    ]
    assert len(classes) == 1, f"{module.__name__} must hold one public class, it holds {classes}"
    return classes[0]


def parameters(cls: type[Any]) -> dict[str, dataclasses.Field[Any]]:
    return {f.name: f for f in dataclasses.fields(cls) if f.init}


def parameters_of_struct(cls: type[msgspec.Struct]) -> list[str]:
    """The names of a struct's fields in a file."""
    return [f.encode_name for f in msgspec.structs.fields(cls)]


def build(cls: type[Any], params: Mapping[str, Any]) -> Any:
    """`cls(**params)`, after checking every name, type, unit and limit. Raises BadExperiment that says what is
    expected.
    """
    given = in_units(cls, params)
    kinds, problems, converted = types(cls), [], {}
    for key, value in given.items():
        try:
            converted[key] = msgspec.convert(value, kinds[key])
        except msgspec.ValidationError as e:
            problems.append(f"{_name(cls)}.{key}: {_wanted(value, kinds[key], str(e))}")
    try:
        made = cls(**converted)
    except BadExperiment as e:
        raise BadExperiment(*problems, *e.problems) from None
    except TypeError:  # a missing parameter is among the problems
        if not problems:
            raise
    if problems:
        raise BadExperiment(*problems)
    return made


def in_units(cls: type[Any], params: Mapping[str, Any], scale: float = 1.0) -> dict[str, Any]:
    """`params` with every quantity in the unit of its field; `scale` converts incident time to run time.

    Raises BadExperiment for unknown and missing names, and for quantities of another kind.
    """
    known, name = parameters(cls), _name(cls)
    problems = [f"{name} has no parameter {p!r}; {hint(str(p), known)}" for p in params if p not in known]
    missing = [
        n
        for n, f in known.items()
        if n not in params and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        problems.append(f"{name} needs {', '.join(missing)}")
    kinds, found = types(cls), {}
    for key, value in params.items():
        unit = units.of(key, kinds[key]) if key in known else None
        if unit is units.UNITS["base"] and (of := params.get("series", params.get("expr"))):
            unit = units.of_metric(str(of))
        try:
            found[key] = value if unit is None else units.read(value, unit, scale)
        except BadExperiment as e:
            problems += [f"{name}.{key}: {p}" for p in e.problems]
    if problems:
        raise BadExperiment(*problems)
    return found


def shown(cls: type[Any], params: Mapping[str, Any], scale: float = 1.0) -> str:
    """Parameters in base units, as text: `journey text, within 4 s`."""
    kinds = types(cls)
    said = ((name, units.of(name, kinds[name]) if name in kinds else None, v) for name, v in params.items())
    return ", ".join(f"{name} {units.shown(value, unit, scale)}" for name, unit, value in said)


def types(cls: type[Any]) -> Mapping[str, Any]:
    """The types of a plug-in's parameters, including units and limits."""
    return get_type_hints(cls, include_extras=True)


def _name(cls: type[Any]) -> str:
    return cls.__name__.lower()


def _wanted(value: Any, kind: Any, words: str) -> str:
    """Found and expected values: msgspec's message, or our own for a number outside its limits."""
    if re.match(r"Expected `(int|float)` [<>]", words):
        return f"found {value:g}, expected {units.bounds(kind)}"
    return words.replace("`", "'")


def hint(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names) or 'none'}"


def summary(cls: type[Any]) -> str:
    """A plug-in's help text: its module's docstring."""
    return inspect.cleandoc(importlib.import_module(cls.__module__).__doc__ or "")
