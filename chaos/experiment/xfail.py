"""`xfail` marks a check that is expected to fail: why, with which settings, and how far. As in pytest it is strict.

`known_gap` is its former name, from before it had a bound. It is still accepted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from chaos import registry
from chaos.errors import BadExperiment

XFAIL, OLD = "xfail", "known_gap"
KEYS = (XFAIL, OLD)


class Mark(msgspec.Struct, forbid_unknown_fields=True):
    why: str
    when: Mapping[str, Any] = {}
    strict: bool = True  # the run fails if the check passes; set to false if that depends on chance
    bound: Mapping[str, Any] = {}  # looser parameters of the check, beyond which the run fails


class _Old(msgspec.Struct, forbid_unknown_fields=True):
    why: str
    when: Mapping[str, Any] = {}
    may_hold: bool = False


def mark(raw: Mapping[str, Any], cls: type[Any], params: Mapping[str, Any], scale: float) -> Mark | None:
    """The mark of an entry of `checks`, which is a `cls` with `params`; None if it has none.

    `scale` converts incident time to run time. Raises BadExperiment with every problem.
    """
    given = [key for key in KEYS if key in raw and (raw[key] is not None or key == XFAIL)]
    if len(given) > 1:
        raise BadExperiment(f"{OLD} is the old name of {XFAIL}; keep {XFAIL}")
    if not given:
        return None
    found = raw[given[0]]
    if not isinstance(found, dict) or not found.get("why"):
        raise BadExperiment(f"{given[0]}: expected {{why: …, when: {{…}}, strict: false, BOUND: …}}")
    if given[0] == OLD:
        old: _Old = _convert(found, _Old, OLD)
        return Mark(old.why, old.when, not old.may_hold)
    looser: Mapping[str, int] = cls.looser
    rest = {k: v for k, v in found.items() if k not in looser}
    made: Mark = _convert(rest, Mark, XFAIL, looser)
    bound = {k: v for k, v in found.items() if k in looser}
    return msgspec.structs.replace(made, bound=_bounded(cls, params, bound, scale))


def outdated(checks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Messages about marks with their old name, one each."""
    for n, raw in enumerate(checks):
        if raw.get(OLD) is not None:
            yield (
                f"checks[{n}]: {OLD} is now called {XFAIL} and has a bound, such as {{why: …, lost: 5%}}; "
                f"may_hold: true is strict: false. {OLD} is without one: any failure of this check is expected"
            )


def _convert(found: Mapping[str, Any], kind: Any, place: str, more: Mapping[str, int] = {}) -> Any:
    known = [name for name in registry.parameters_of_struct(kind) if name != "bound"] + list(more)
    if strange := [str(k) for k in found if k not in known and k != "bound"]:
        raise BadExperiment(*(f"{place}: unknown field {k!r}; {registry.hint(k, known)}" for k in strange))
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as e:
        raise BadExperiment(f"{place}: {e}".replace("`", "'").replace("$.", "")) from None


def _bounded(cls: type[Any], params: Mapping[str, Any], bound: Mapping[str, Any], scale: float) -> Mapping[str, Any]:
    """The bound. Without one, every other failure would be hidden; one that is not looser would have no effect."""
    check, looser = cls.__name__.lower(), cls.looser
    if not looser:
        raise BadExperiment(f"{XFAIL}: {check} has nothing to bound a failure by, so it cannot be expected to fail")
    if not bound:
        raise BadExperiment(f"{XFAIL}: found no bound, expected how far {check} may fail: {', '.join(looser)}")
    try:
        given = registry.in_units(cls, {**params, **bound}, scale)
        own, wide = registry.build(cls, params), registry.build(cls, given)
    except BadExperiment as e:
        raise BadExperiment(*(f"{XFAIL}: {p}" for p in e.problems)) from None
    for name in bound:
        before, after = getattr(own, name), getattr(wide, name)
        if not _wider(before, after, looser[name]):
            raise BadExperiment(
                f"{XFAIL}.{name}: found {after!r}, expected {'more' if looser[name] > 0 else 'less'} than the check's "
                f"own {before!r}: beyond this bound the run fails"
            )
    return {name: given[name] for name in bound}


def _wider(before: Any, after: Any, way: int) -> bool:
    if not isinstance(before, int | float) or not isinstance(after, int | float):
        return bool(after != before) and before is not None
    if type(before) is not type(after) and before:  # a count and a share
        return True
    return (after - before) * way > 0
