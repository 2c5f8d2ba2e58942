"""What a simulation is given: the site, what each service needs, who promotes, and how users behave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Component:
    """Where a component stands: in the burned site, elsewhere, or both."""

    blow: float | None = None  # hour at which its instance in the site is lost; None where it has none there
    seat: int = 0  # boot unit of that instance, 1 is the first
    copy: bool = False  # an instance elsewhere
    at_once: bool = False  # that instance serves without being promoted


@dataclass(frozen=True)
class Scene:
    hours: float  # length of the incident
    servers: int
    units: int  # boot units that seats are counted in
    lanes: int
    boot_per_hour: float  # servers, of one lane
    boot_spread: float  # standard deviation over mean, of one server's boot time
    power: Sequence[tuple[float, float]]  # hour, share of the site that has power by then
    blows: Sequence[tuple[float, float]]  # hour, share of the servers lost then
    components: Mapping[str, Component]
    services: Mapping[str, Sequence[str]]  # service → components it needs
    by_hand: Mapping[str, float]  # component → hour at which people promote its copy
    tool_lives: bool  # more than half of the failover tool's voters stand elsewhere
    failover_s: float
    promote_s: float
    start_s: float
    users: int
    crowd: str  # the service they connect to
    ops_per_user_hour: float
    reconnect_cost: float  # of one try to connect, in operations
    tries: int
    retry_s: float
    retry_most_s: float
    utilisation: float  # of the site at normal load
    spare_capacity: float  # of the other sites, as a share of the lost site's normal load
    third_party: str = "login3p"
    token_hours: float = 24.0
