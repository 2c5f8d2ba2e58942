"""Resolves `where` and `to`: turns labels and choosers into nodes."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chaos import registry
from chaos.experiment import limits
from chaos.experiment.file import ALL, Where, selectors
from chaos.experiment.planning.context import Context
from chaos.experiment.planning.settings import values
from chaos.model import Node
from chaos.units import share

CHOOSERS = {"pick", "share", "except"}  # extensions add more


def wheres(context: Context, where: Any, place: str) -> Sequence[Where]:
    """Return the selectors of `where`. Reports a problem and returns none if it does not contain any."""
    found = selectors(where)
    if not found:
        was = "no `where`" if where is None else f"where {flow(where)}"
        words = f"found {was}, expected labels such as {{zone: a}}, or `where: {ALL}` for every node"
        context.problems.add(place, words)
    return found


def select(context: Context, chosen: Sequence[Where], place: str) -> Sequence[Node]:
    """Return the nodes that any of the selectors matches, sorted. Reports a problem if there are none."""
    before = len(context.problems.found)
    named = {name for w in chosen for name in _texts(w.get("name"))}
    found = {n for w in chosen for n in _match(context, w, f"{place}.where", named)}
    if not found and not none_chosen(context, chosen) and len(context.problems.found) == before:
        said = flow(chosen[0] if len(chosen) == 1 else chosen)
        nodes, labels = _some(context.nodes), _labels(context.nodes)
        context.problems.add(place, f"where {said} matches no node; nodes are {nodes}; {labels}")
    return sorted(found)


def others(context: Context, to: Any, place: str) -> Sequence[Node]:
    """Return the nodes at the other end of a link. `to` takes the same selectors as `where`, except `all`."""
    chosen = selectors(to)
    if to == ALL or not chosen:
        context.problems.add(place, f"found {flow(to)}, expected a selector as under `where`, such as {{zone: b}}")
        return []
    return select(context, chosen, place)


def none_chosen(context: Context, chosen: Sequence[Where]) -> str:
    """Return the message for selectors that are allowed to match no node; empty if they must match one."""
    choosers = context.extensions.choosers
    return next((choosers[key].none_chosen for where in chosen for key in where if key in choosers), "")


def flow(where: Any) -> str:
    """Return a value on one line as an experiment's file would write it, for messages."""
    if isinstance(where, Mapping):
        return "{" + ", ".join(f"{k}: {flow(v)}" for k, v in where.items()) + "}"
    return "[" + ", ".join(map(flow, where)) + "]" if isinstance(where, list) else str(where)


def _match(context: Context, where: Where, place: str, named: Collection[str] | None = None) -> Sequence[Node]:
    """Return the nodes that one selector matches.

    `named` are nodes that may be hit without a chaos.* label. It is None if the selector hits no nodes, as in `except`.
    """
    hit = _labelled(context, where, place)
    _values_exist(context, where, place, alone=named is None)
    for key, extension in context.extensions.choosers.items():
        if key in where:
            hit = extension.chosen(key, where[key], hit, place)
    spared = _spared(context, where.get("except"), place)
    hit = [n for n in hit if n.name not in spared]
    if named is not None and (strangers := limits.strangers(hit, named)):
        who = ", ".join(strangers)
        context.problems.add(
            place,
            f"{flow(where)} may hit {who}, which carries no chaos.* label; label it in the stack's description, "
            f"name it (`name: {strangers[0]}`), or spare it (`except: {{name: {strangers[0]}}}`)",
        )
    if "share" in where:
        hit = _share(context, where["share"], hit, place)
    if "pick" in where:
        hit = _pick(context, where["pick"], hit, place)
    return hit


def _labelled(context: Context, where: Where, place: str) -> Sequence[Node]:
    choosers, nodes = _choosers(context), context.nodes
    labels = {k: v for k, v in where.items() if k not in choosers}
    for key in labels:
        if all(_label(n, key) is None for n in nodes):
            known = {"name", "component", "zone", "owner", *choosers, *(k for n in nodes for k in n.labels)}
            context.problems.add(place, f"no node has a label {key!r}; {registry.hint(key, known)}")
    return [n for n in nodes if all(_label(n, k) in _texts(v) for k, v in labels.items())]


def _choosers(context: Context) -> Collection[str]:
    return CHOOSERS | set(context.extensions.choosers)


def _values_exist(context: Context, where: Where, place: str, alone: bool) -> None:
    """Report values in lists that no node has.

    With `alone` it reports single values too. Otherwise `select` reports them in more detail: they match no node.
    """
    nodes, choosers = {*context.nodes, *context.choices.described}, _choosers(context)
    for key, wanted in where.items():
        known = sorted({text for n in nodes if (text := _label(n, key)) is not None}) if key not in choosers else ()
        for text in _texts(wanted) if known and (alone or len(values(wanted)) > 1) else ():
            if text not in known:
                context.problems.add(place, f"no node has {key} {text!r}; {registry.hint(text, known)}")


def _share(context: Context, written: Any, hit: Sequence[Node], place: str) -> Sequence[Node]:
    wanted = context.problems.read(share, written, f"{place}.share")
    count = round(wanted * len(hit))
    if hit and not count:
        found = f"share: {written} of the {len(hit)} nodes that match comes to none"
        context.problems.add(place, f"{found}; expected at least {math.ceil(50.5 / len(hit))}%, or `pick: 1`")
    return context.dice(place).sample(hit, count)


def _pick(context: Context, wanted: Any, hit: Sequence[Node], place: str) -> Sequence[Node]:
    if type(wanted) is int and 1 <= wanted <= len(hit):
        return context.dice(place).sample(hit, wanted)
    words = f"pick: {wanted!r} of the {len(hit)} nodes that match; expected 1 to {len(hit)}"
    context.problems.add(place, words)
    return hit


def _spared(context: Context, spare: Any, place: str) -> set[str]:
    """Return the names of the nodes that `except:` spares. It is the id of an earlier step, a selector, or a list."""
    if spare is None or (isinstance(spare, str) and spare in context.draft.idle):
        return set()
    if isinstance(spare, list):
        return {name for one in spare for name in _spared(context, one, place)}
    if isinstance(spare, Mapping):
        return {n.name for n in _match(context, spare, f"{place}.except")}
    steps = context.draft.steps
    for step in steps:
        if step.id == spare:
            return set(step.nodes)
    known = registry.hint(str(spare), [s.id for s in steps])
    context.problems.add(place, f"except: no earlier step called {spare!r}; {known}")
    return set()


def _some(nodes: Sequence[Node]) -> str:
    names = [n.name for n in nodes]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _labels(nodes: Sequence[Node]) -> str:
    """Return all labels in the form that selectors use, with their values, for messages."""
    found: dict[str, set[str]] = {}
    for node in nodes:
        own = {k.removeprefix("chaos."): v for k, v in node.labels.items()}
        for key, value in {**own, "component": node.component, "zone": node.zone, "owner": node.owner}.items():
            found.setdefault(key, set()).add(value)
    words = [f"{key} ({limits.some(texts)})" for key, texts in sorted(found.items()) if texts != {""}]
    return f"labels are {', '.join(words)}"


def _label(node: Node, key: str) -> str | None:
    """Return a node's name, component, zone, owner, or a label with or without `chaos.`; None if it has none."""
    if key in {"name", "component", "zone", "owner"}:
        return str(getattr(node, key))
    return node.labels.get(key, node.labels.get(f"chaos.{key}"))


def _texts(wanted: Any) -> Sequence[str]:
    """Return the values as text, because labels are text."""
    return ["" if v is None else str(v).lower() if isinstance(v, bool) else str(v) for v in values(wanted)]
