"""The form of a stack's description, as far as the harness reads it: msgspec checks the types below.

Keys that matter only to containers are left to Compose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from chaos import forms
from chaos.errors import BadExperiment

Scalar = str | int | float | bool | None
Pairs = dict[str, Scalar] | list[str] | None


class Health(msgspec.Struct):
    test: str | list[str | int | float] | None = None
    disable: bool | str = False


class Build(msgspec.Struct):
    context: str = "."


class Volume(msgspec.Struct):
    target: str = ""
    source: str = ""


class Attached(msgspec.Struct):
    ipv4_address: str | None = None


class Published(msgspec.Struct):
    target: int | str
    published: int | str | None = None
    host_ip: str = ""
    protocol: str = "tcp"


class Service(msgspec.Struct):
    image: str | None = None
    build: str | Build | None = None
    command: str | list[str | int | float | bool] | None = None
    environment: Pairs = None
    labels: Pairs = None
    healthcheck: Health | None = None
    volumes: list[str | Volume] | None = None
    depends_on: list[str] | dict[str, Any] | None = None
    networks: list[str] | dict[str, Attached | None] | None = None
    ports: list[int | str | Published] | None = None
    profiles: list[str] | None = None


class Options(msgspec.Struct):
    driver_opts: dict[str, Scalar] | None = None


class Pool(msgspec.Struct):
    gateway: str | None = None


class Addresses(msgspec.Struct):
    config: list[Pool] | None = None


class Network(msgspec.Struct):
    ipam: Addresses | None = None


class Distance(msgspec.Struct):
    between_zones: str = "0ms"


class Knob(msgspec.Struct):
    pattern: str
    expected: str


class Extension(msgspec.Struct):
    base: str | None = None
    network: Distance | None = None
    postures: dict[str, dict[str, str | int | float | bool]] | None = None
    forms: dict[str, Knob] | None = None
    when: dict[str, dict[str, Scalar]] | None = None


def problems(path: Path, doc: Mapping[str, Any]) -> Iterator[str]:
    """Everything in `doc` that does not have the form of a stack's description."""
    for name, spec in doc["services"].items():
        yield from _unlike(spec, Service, f"{path}: services.{name}")
    for key, kind in (("volumes", Options), ("networks", Network)):
        found = doc.get(key)
        if found is not None:
            yield from _unlike(found, dict[str, kind | None], f"{path}: {key}")  # type: ignore[valid-type]
    extension = doc.get("x-chaos")
    if extension is not None:
        yield from _unlike(extension, Extension, f"{path}: x-chaos") or _patterns(path, extension)


def _unlike(value: Any, kind: Any, where: str) -> list[str]:
    try:
        forms.convert(value, kind, where)
    except BadExperiment as e:
        return list(e.problems)
    return []


def _patterns(path: Path, extension: Mapping[str, Any]) -> Iterator[str]:
    for knob, form in (extension.get("forms") or {}).items():
        try:
            re.compile(form["pattern"])
        except re.error as e:
            yield f"{path}: x-chaos.forms.{knob}.pattern: {form['pattern']!r} is no regular expression: {e}"
