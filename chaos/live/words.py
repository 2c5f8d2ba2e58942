"""An event of a run as one line, for whoever watches: what the plain lines and the live view both say."""

from __future__ import annotations

from chaos.model import Event

NOTED = ("phase", "fault.active", "fault.again", "fault.gone", "fault.heal", "fault.error", "network.lost",
         "operator.done", "run.error", "run.stopped", "step.leashed", "step.until", "probe.error",
         "end.again")  # fmt: skip


def words(event: Event) -> str | None:
    """None where it is nothing that a person waits for."""
    if event.kind not in NOTED or (event.kind == "fault.heal" and not event.data.get("nodes")):
        return None
    nodes = ", ".join(event.data.get("nodes", ()))
    return {
        "phase": f"phase {event.subject}",
        "fault.active": f"{event.subject}: {event.data.get('fault')} bites {nodes}",
        "fault.again": f"{event.subject}: {event.data.get('fault')} once more on {nodes}",
        "fault.gone": f"{event.subject}: no longer bites {nodes}: {event.data.get('error')}",
        "fault.heal": f"{event.subject}: healed on {nodes}",
        "step.until": f"{event.subject}: ends before its time: {event.data.get('condition')}",
        "run.stopped": f"{event.subject} stops the run: {event.data.get('condition')}",
        "step.leashed": f"{event.subject}: on the leash, no {event.data.get('what')} on {nodes}",
        "operator.done": f"{event.subject}: done on {', '.join(event.data.get('codes', ()))}",
        "end.again": f"{event.subject}: trying again: {event.data.get('error')}",
    }.get(event.kind, f"{event.subject}: {event.data.get('error')}")


def bad(event: Event) -> bool:
    """Whether it is said in red."""
    return event.kind in ("fault.gone", "network.lost", "fault.error", "run.error", "run.stopped", "end.again")
