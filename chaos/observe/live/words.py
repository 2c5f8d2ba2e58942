"""An event of a run as one line, for the plain output and the live view."""

from __future__ import annotations

from chaos.model import Event

NOTED = ("phase", "fault.active", "fault.again", "fault.gone", "fault.heal", "fault.error", "network.lost",
         "operator.done", "run.error", "run.stopped", "step.skipped", "step.until", "probe.error",
         "end.again")  # fmt: skip


def words(event: Event) -> str | None:
    """None for events that are not shown."""
    if event.kind not in NOTED or (event.kind == "fault.heal" and not event.data.get("nodes")):
        return None
    nodes = ", ".join(event.data.get("nodes", ()))
    return {
        "phase": f"phase {event.subject}",
        "fault.active": f"{event.subject}: {event.data.get('fault')} active on {nodes}",
        "fault.again": f"{event.subject}: {event.data.get('fault')} injected again on {nodes}",
        "fault.gone": f"{event.subject}: no longer active on {nodes}: {event.data.get('error')}",
        "fault.heal": f"{event.subject}: healed on {nodes}",
        "step.until": f"{event.subject}: healed early: {event.data.get('condition')}",
        "run.stopped": f"{event.subject} stops the run: {event.data.get('condition')}",
        "step.skipped": f"{event.subject}: {event.data.get('what')} on {nodes} skipped (--no-faults)",
        "operator.done": f"{event.subject}: done on {', '.join(event.data.get('codes', ()))}",
        "end.again": f"{event.subject}: retrying: {event.data.get('error')}",
    }.get(event.kind, f"{event.subject}: {event.data.get('error')}")


def bad(event: Event) -> bool:
    """Whether the event is shown in red."""
    return event.kind in ("fault.gone", "network.lost", "fault.error", "run.error", "run.stopped", "end.again")
