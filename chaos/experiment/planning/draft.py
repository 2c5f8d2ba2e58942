"""The part of the timeline that is planned so far. Later lines refer to earlier ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from chaos import registry
from chaos.experiment.plan import Act, Release, Step


@dataclass
class Draft:
    steps: list[Step] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    idle: dict[str, str] = field(default_factory=dict)  # by id, why a step affects no node and is left out

    @property
    def length(self) -> float:
        """The end of the timeline, in run seconds."""
        return max([0.0, *(s.end for s in self.steps), *(a.at for a in self.acts)])

    def close(self) -> None:
        """Let each fault without an end last until the end of the timeline."""
        end = self.length
        self.steps = [
            s if s.releases else msgspec.structs.replace(s, releases=(Release(end, s.nodes),)) for s in self.steps
        ]

    def overlaps(self) -> Iterator[str]:
        """Yield a message for each pair of steps with the same fault on one node at the same time.

        The heal of the first step would also end the second.
        """
        until = {(s.id, name): r.t for s in self.steps for r in s.releases for name in r.nodes}
        for i, one in enumerate(self.steps):
            for other in self.steps[i + 1 :]:
                for name in sorted(set(one.nodes) & set(other.nodes)):
                    apart = one.at >= until[other.id, name] or other.at >= until[one.id, name]
                    if (one.fault, one.params) != (other.fault, other.params) and _adds_up(one.fault):
                        continue
                    if one.fault == other.fault and not apart:
                        yield (
                            f"{one.id} and {other.id} are both {one.fault} on {name} at the same time; "
                            f"leave it out of one with `except: {one.id}`"
                        )


def _adds_up(fault: str) -> bool:
    """Return whether steps with this fault may overlap on one node, if their parameters differ."""
    return fault in registry.names("chaos.faults") and registry.load("chaos.faults", fault).adds_up
