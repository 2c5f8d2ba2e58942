"""A name in YAML is a file stem: `fault: pause` means the one public class of chaos/faults/pause.py."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import ModuleType
from typing import Any, get_type_hints

import msgspec

from chaos.errors import BadExperiment


def names(package: str) -> list[str]:
    """Every name that `package` (chaos.faults, chaos.checkers, chaos.probes) knows, sorted: zone_cut.py is zone-cut."""
    found: ModuleType = importlib.import_module(package)
    stems = (m.name for m in pkgutil.iter_modules(found.__path__) if not m.name.startswith("_"))
    return sorted(stem.replace("_", "-") for stem in stems)


def load(package: str, name: str) -> type[Any]:
    """The one public class of `package`.`name`. Raises BadExperiment with the nearest known name."""
    kind = package.rpartition(".")[2].removesuffix("s")
    if name not in (known := names(package)):
        raise BadExperiment(f"no {kind} called {name!r}; {hint(name, known)}")
    module = importlib.import_module(f"{package}.{name.replace('-', '_')}")
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
    """The names a file uses for a struct's fields."""
    return [f.encode_name for f in msgspec.structs.fields(cls)]


def build(cls: type[Any], params: Mapping[str, Any]) -> Any:
    """`cls(**params)` with every name and type checked. Raises BadExperiment saying what it takes."""
    known = parameters(cls)
    name = cls.__name__.lower()
    problems = [f"{name} has no parameter {p!r}; {hint(p, known)}" for p in params if p not in known]
    missing = [
        n
        for n, f in known.items()
        if n not in params and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        problems.append(f"{name} needs {', '.join(missing)}")
    if problems:
        raise BadExperiment(*problems)
    types = get_type_hints(cls)
    converted = {}
    for key, value in params.items():
        try:
            converted[key] = msgspec.convert(value, types[key])
        except msgspec.ValidationError as e:
            raise BadExperiment(f"{name}.{key}: {e}".replace("`", "'")) from None
    return cls(**converted)


def hint(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names) or 'none'}"


def summary(cls: type[Any]) -> str:
    """A plug-in's help text: its module's docstring."""
    return inspect.cleandoc(importlib.import_module(cls.__module__).__doc__ or "")
