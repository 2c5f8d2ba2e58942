"""Somebody else's containers beside the stack, with a network and a volume: nothing that we do may touch them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import APIClient

IMAGE = "chaos-stack/app"  # any that is there and has a shell
_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"


class Strangers:
    """A Compose project of another name with a service of one of our names, and a container that no project has."""

    def __init__(self, api: APIClient, beside: str) -> None:
        self._api, self.name = api, f"strangers-of-{beside}"
        self.close()
        labels = {_PROJECT: self.name, _SERVICE: "web-a"}
        api.create_network(self.name, labels=labels)
        api.create_volume(self.name, labels=labels)
        self._start("project", labels)
        self._start("alone", {"chaos.component": "web", "chaos.zone": "a"})
        self.whole = self.facts()

    def _start(self, name: str, labels: Mapping[str, str]) -> None:
        config = self._api.create_host_config(network_mode=self.name, binds=[f"{self.name}:/data"])
        made = self._api.create_container(
            IMAGE, ["sh", "-c", "date +%N > /data/$$ && exec sleep 86400"], name=f"{self.name}-{name}",
            labels=dict(labels), host_config=config,
        )  # fmt: skip
        self._api.start(made["Id"])

    def facts(self) -> Mapping[str, str]:
        """Which they are, how they are, and what their volume and network are."""
        found: dict[str, str] = {}
        for row in self._api.containers(all=True, filters={"name": f"{self.name}-"}):
            held = self._api.inspect_container(row["Id"])
            state = {k: held["State"][k] for k in ("Status", "StartedAt", "Pid")}
            limits = {k: held["HostConfig"].get(k) for k in ("Memory", "CpuQuota", "NanoCpus")}
            joined = {k: v["IPAddress"] for k, v in held["NetworkSettings"]["Networks"].items()}
            found[row["Names"][0]] = f"{row['Id'][:12]} {state} {limits} {joined}"
        for network in self._api.networks(names=[self.name]):
            found[f"network {network['Name']}"] = str(network["Id"])
        for volume in self._api.volumes(filters={"name": self.name})["Volumes"] or []:
            found[f"volume {volume['Name']}"] = str(volume.get("CreatedAt"))
        return found

    def touched(self) -> list[str]:
        """In words; empty while they are as they were."""
        now = self.facts()
        differ = sorted(name for name in self.whole.keys() | now.keys() if self.whole.get(name) != now.get(name))
        return [f"stranger {name}: {now.get(name, 'gone')} (was {self.whole.get(name)})" for name in differ]

    def close(self) -> None:
        from docker.errors import NotFound

        for row in self._api.containers(all=True, filters={"name": f"{self.name}-"}):
            self._api.remove_container(row["Id"], force=True)
        for network in self._api.networks(names=[self.name]):
            self._api.remove_network(network["Id"])
        with suppress(NotFound):
            self._api.remove_volume(self.name)
