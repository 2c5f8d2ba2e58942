"""The inputs of a simulation: the site, the needs of each service, how copies are promoted, and how users behave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Component:
    """The location of a component: in the burned site, elsewhere, or both."""

    blow: float | None = None  # hour at which its instance in the site is lost; None if it has none there
    seat: int = 0  # boot unit of that instance, counted from 1
    copy: bool = False  # whether it has an instance elsewhere
    at_once: bool = False  # whether that instance serves without a promotion


@dataclass(frozen=True)
class Scene:
    hours: float  # length of the incident
    servers: int
    units: int  # number of boot units
    lanes: int
    boot_per_hour: float  # servers per lane
    boot_spread: float  # standard deviation of a server's boot time, as a share of its mean
    power: Sequence[tuple[float, float]]  # hour, share of the site that has power by then
    blows: Sequence[tuple[float, float]]  # hour, share of the servers lost then
    components: Mapping[str, Component]
    services: Mapping[str, Sequence[str]]  # service → components it needs
    by_hand: Mapping[str, float]  # component → hour at which people promote its copy
    tool_lives: bool  # whether more than half of the failover tool's instances are elsewhere
    failover_s: float
    promote_s: float
    start_s: float
    users: int
    crowd: str  # the service that users connect to
    ops_per_user_hour: float
    reconnect_cost: float  # cost of one attempt to connect, in operations
    tries: int
    retry_s: float
    retry_most_s: float
    utilisation: float  # of the site at normal load
    spare_capacity: float  # of the other sites, as a share of the lost site's normal load
    third_party: str = ""  # the service with which users of other sites log in; empty: none
    token_hours: float = 24.0
