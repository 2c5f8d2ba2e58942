"""Access to a Docker engine: SDK calls in threads, a stack's containers found by label, and errors with
explanations.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from chaos import naming
from chaos.errors import TargetError
from chaos.waiting import comes_true

if TYPE_CHECKING:
    from docker import APIClient

T = TypeVar("T")

_NO_NETWORK = ("host", "null")  # drivers
NO_PROGRAM = (126, 127)  # exit codes of a command that does not exist in a container, or cannot be run
PATIENCE = 10.0  # seconds that the engine may take for one call
AT_ONCE = 16  # concurrent calls that are work for the engine
WAITING = 64  # concurrent calls that mostly wait, as a SIGKILL does until its node is gone
PROJECT, SERVICE = "com.docker.compose.project", "com.docker.compose.service"  # labels that compose sets
NUMBER = "com.docker.compose.container-number"  # set by compose, from 1 for each service
ONE_OFF = "com.docker.compose.oneoff"  # set by compose to "True" on containers of `docker compose run`
STACK = "chaos.stack"  # label of everything that belongs to a stack: its file, see compose/owner
SKEWED = "chaos.skewed"  # label of a node with a wrong clock: its skew in seconds
OURS = "chaos.project"  # label of containers that the harness starts beside the stack
DEPLOYED = "chaos.deployed"  # label of a node with an experiment's configuration: the variables as JSON


@dataclass(frozen=True)
class Container:
    id: str
    state: str  # created | running | paused | restarting | exited | dead
    labels: Mapping[str, str]
    node: str  # its name: the service's, with a number if the service has several containers
    name: str = ""
    volumes: Sequence[str] = ()  # names
    networks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by name, as the engine describes them

    @property
    def alive(self) -> bool:
        return self.state in ("running", "paused", "restarting")

    @property
    def set_aside(self) -> bool:
        """While Compose recreates a node, it prefixes an id to the name of one of the two containers."""
        return _SET_ASIDE.match(self.name) is not None


_SET_ASIDE = re.compile(r"[0-9a-f]{12}_")


class Engine:
    """Access to what carries the label of `stack`, the text that owner.mark makes of the stack's file.

    `replicated` are the services whose containers are a node each. `attached`: others started the nodes.
    Every method raises TargetError. The engine is not contacted before the first call.
    """

    attached = False

    def __init__(self, project: str, stack: str, patience: float = PATIENCE, replicated: Collection[str] = ()) -> None:
        self.project, self.stack, self._replicated = project, stack, replicated
        self._patience = patience
        self._connecting = threading.Lock()
        self._threads = ThreadPoolExecutor(WAITING, "engine")
        self._client: APIClient | None = None
        self._open = contextlib.ExitStack()
        weakref.finalize(self, self._open.close)

    async def ask(self, call: Callable[[APIClient], T]) -> T:
        """Run `call` with the SDK's client in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.ask_now, call)

    async def each(
        self, ids: Iterable[str], do: Callable[[APIClient, str], object], *spare: int, at_once: int = AT_ONCE
    ) -> None:
        """Call `do` for all of `ids` concurrently. Every call runs to its end, then the first failure is raised.

        Responses with a status in `spare` count as success.
        """

        gate = asyncio.Semaphore(at_once)

        async def one(id_: str) -> None:
            async with gate:
                await self.ask(lambda api: spared(lambda: do(api, id_), *spare))

        for end in await asyncio.gather(*map(one, ids), return_exceptions=True):
            if isinstance(end, BaseException):
                raise end

    async def events(
        self, filters: Mapping[str, Sequence[str]], tell: Callable[[bool], object]
    ) -> Callable[[], object]:
        """Call `tell(True)` in a thread for each event from now on, and `tell(False)` if the engine ends the stream.

        Returns what ends it.
        """
        now = time.time()  # the engine repeats what happened since
        stream = await self.ask(lambda api: api.events(since=int(now), filters=dict(filters)))
        ended = threading.Event()

        def listen() -> None:
            with contextlib.suppress(Exception):  # a closed stream may raise anything
                for _ in stream:
                    tell(True)
            if not ended.is_set():
                tell(False)

        def stop() -> None:
            ended.set()
            with contextlib.suppress(Exception):
                stream.close()

        threading.Thread(target=listen, name="engine-events", daemon=True).start()
        return stop

    def ask_now(self, call: Callable[[APIClient], T]) -> T:
        with in_words():
            with self._connecting:
                if self._client is None:
                    self._client = self._open.enter_context(contextlib.closing(connect(self._patience)))
            return call(self._client)

    async def containers(self) -> Mapping[str, Container]:
        """The stack's containers by node, in any state. If a node has two, it is the first one in `rank` order."""
        return {node: group[0] for node, group in (await self.groups()).items()}

    async def groups(self) -> Mapping[str, Sequence[Container]]:
        """All containers of each node, the node itself first."""
        found: dict[str, list[Container]] = {}
        for c in await self._labelled(self.nodes()):
            if c.labels.get(ONE_OFF) != "True":
                found.setdefault(c.node, []).append(c)
        return {node: sorted(group, key=rank) for node, group in found.items()}

    async def others(self) -> Sequence[Container]:
        """Containers of the project that are not the stack's, without one-off containers (`run`) of the user."""
        found = await self._labelled([f"{PROJECT}={self.project}"])
        return [c for c in found if c.labels.get(STACK) != self.stack and c.labels.get(ONE_OFF) != "True"]

    def nodes(self) -> list[str]:
        """The labels of the stack's containers."""
        return [f"{PROJECT}={self.project}", f"{STACK}={self.stack}"]

    def own(self, kind: str = "", **more: str) -> dict[str, str]:
        """The labels of containers that the harness makes beside the stack; `kind` is helper, load or guest."""
        return {OURS: self.project, STACK: self.stack, **({"chaos.kind": kind} if kind else {}), **more}

    async def beside(self, kind: str = "") -> Sequence[Container]:
        """Containers that the harness made beside the stack; `kind` is helper, load or guest."""
        return await self._labelled([f"{k}={v}" for k, v in self.own(kind).items()])

    async def strays(self) -> Sequence[Container]:
        """Idle containers beside the stack: checks that have ended or never started, helpers that never started.

        Normally their creator removes them; these remain if it was killed.
        """
        idle = {"guest": ("created", "exited", "dead"), "helper": ("created",)}
        return [c for c in await self.beside() if c.state in idle.get(c.labels.get("chaos.kind", ""), ())]

    async def _labelled(self, labels: Sequence[str]) -> Sequence[Container]:
        return await self.ask(lambda api: self.labelled(api, labels))

    def labelled(self, api: APIClient, labels: Sequence[str], **filters: str) -> Sequence[Container]:
        """Containers with all of `labels`, under their nodes' names."""
        found = labelled(api, labels, **filters)
        return [self._named(c) for c in found]

    def _named(self, c: Container) -> Container:
        if c.node not in self._replicated:
            return c
        return replace(c, node=naming.replica(c.node, int(c.labels.get(NUMBER, 1))))

    async def networks(self) -> Sequence[Mapping[str, Any]]:
        """The networks that the stack's nodes are on, as described by the engine, by name. There is at least one."""
        nodes = (await self.containers()).values()
        ids = sorted({i for c in nodes for one in c.networks.values() if (i := one.get("NetworkID"))})
        rows = await self.ask(lambda api: [dict(api.inspect_network(id_)) for id_ in ids])
        rows = [row for row in rows if row["Driver"] not in _NO_NETWORK]
        if not rows:
            raise TargetError("no node is on a network; `chaos up` starts the stack if it is not up")
        return sorted(rows, key=lambda row: str(row["Name"]))

    async def remove_rest(self) -> Sequence[str]:
        """Remove the stack's networks and volumes, after its containers. Returns what could not be removed, as text."""
        assert not self.attached, "they belong to others"
        mine, noted = self.nodes(), [f"{k}={v}" for k, v in self.own().items()]
        networks = await self.ask(lambda api: [n["Id"] for n in api.networks(filters={"label": mine})])
        kept = await self._words(partial(_remove_network, id_=id_, stack=self.stack) for id_ in networks)
        rows = await self.ask(
            lambda api: [v for by in (mine, noted) for v in api.volumes(filters={"label": by})["Volumes"] or []]
        )
        return [*kept, *await self._words(partial(_remove_volume, name=row["Name"]) for row in rows)]

    async def _words(self, calls: Iterable[Callable[[APIClient], str]]) -> Sequence[str]:
        """Run all calls to their end and return their texts; then the first failure is raised."""
        said = await asyncio.gather(*map(self.ask, calls), return_exceptions=True)
        for end in said:
            if isinstance(end, BaseException):
                raise end
        return [words for words in said if words and isinstance(words, str)]

    async def remove(self, containers: Iterable[Container]) -> None:
        """Kill and remove containers with their anonymous volumes. Containers that are gone already are ignored."""
        ids = [c.id for c in containers]
        await self.each(ids, _remove_container, 404, 409)
        await self._gone(ids)

    async def _gone(self, ids: Sequence[str]) -> None:
        """Wait for removals that another process started (409): they block the network until they are done."""

        async def gone() -> bool:
            return not ids or not await self.ask(lambda api: api.containers(all=True, filters={"id": list(ids)}))

        if not await comes_true(gone, PATIENCE):
            raise TargetError(f"the Docker engine has not removed {len(ids)} containers within {PATIENCE:.0f} s")


def cgroup_parent(api: APIClient) -> str:
    """The parent of our containers in the cgroup tree, which determines their share of the processors; empty: the
    default.

    An engine that manages cgroups itself puts all containers below one group. When processors are short, that group
    gets no more than a single thread of the engine, so that a booting zone would starve the other zones. Therefore our
    containers are placed beside the engine. With systemd's cgroup driver that is the default.
    """
    return "/" if api.info().get("CgroupDriver") == "cgroupfs" else ""


def _remove_network(api: APIClient, id_: str, stack: str) -> str:
    """Remove a network; returns why it stays, or an empty text. Containers of others stay connected to it, even stopped
    ones.

    An engine that has lost count of a network's endpoints refuses to remove it until it is restarted (seen in 20.10,
    after containers were started side by side). The next start of the stack takes the empty network over.
    """
    from docker.errors import APIError

    on_it = containers(api, filters={"network": id_})
    if others := sorted(c.name for c in on_it if c.labels.get(STACK) != stack):
        return f"network {api.inspect_network(id_)['Name']} stays: {', '.join(others)} on it was not started by chaos"
    try:
        spared(lambda: api.remove_network(id_), 404)
        return ""
    except APIError as e:
        if "active endpoints" not in str(e) or (found := api.inspect_network(id_))["Containers"]:
            raise
        return (
            f"the engine keeps the empty network {found['Name']}, because it miscounted its endpoints: the next start "
            "of a stack that has such a network uses it again, and a restart of the engine removes it"
        )


def _remove_volume(api: APIClient, name: str) -> str:
    from docker.errors import APIError

    try:
        spared(lambda: api.remove_volume(name), 404)
        return ""
    except APIError as e:
        if e.status_code != 409:
            raise
        users = ", ".join(sorted(c.name for c in containers(api, filters={"volume": name})))
        return f"volume {name} stays: {users or 'another container'} uses it, which was not started by chaos"


def containers(api: APIClient, **asked: Any) -> Sequence[Container]:
    """The engine's containers in any state; `asked` is passed to the SDK.

    Images made by `docker commit` pass the labels of their container on to new containers. A label that the image has
    as well does not say who made a container, so it is left out.
    """
    return [_container(row, api) for row in api.containers(all=True, **asked)]


def labelled(api: APIClient, labels: Sequence[str], **filters: str) -> Sequence[Container]:
    """The containers with all of `labels`, each written as name=value."""
    wanted = dict(label.split("=", 1) for label in labels)
    found = containers(api, filters={"label": list(labels), **filters})
    return [c for c in found if wanted.items() <= c.labels.items()]


def _container(row: Mapping[str, Any], api: APIClient) -> Container:
    """A container from a row of the engine's list."""
    labels = row["Labels"] or {}
    if STACK in labels and STACK in _labels_of_image(api, row["ImageID"]):
        labels = {k: v for k, v in labels.items() if k not in (STACK, OURS)}
    names = [name.removeprefix("/") for name in row["Names"] or ()]  # links add further names, which contain a slash
    return Container(
        row["Id"],
        row["State"],
        labels,
        labels.get(SERVICE, ""),
        min(names, key=lambda name: ("/" in name, name), default=""),
        tuple(m["Name"] for m in row.get("Mounts") or () if m["Type"] == "volume"),
        (row.get("NetworkSettings") or {}).get("Networks") or {},
    )


_OF_IMAGES: dict[str, Mapping[str, str]] = {}  # labels by image id, a digest that covers them


def _labels_of_image(api: APIClient, id_: str) -> Mapping[str, str]:
    """The labels of an image; empty if it is gone, which takes a forced removal while containers use it."""
    from docker.errors import NotFound

    if id_ not in _OF_IMAGES:
        try:
            image: Mapping[str, Any] = api.inspect_image(id_)  # type: ignore[no-untyped-call]
            _OF_IMAGES[id_] = image["Config"].get("Labels") or {}
        except NotFound:
            return {}
    return _OF_IMAGES[id_]


def rank(c: Container) -> tuple[bool, bool, str]:
    """The sort key of a service's containers: when it has two, the first in this order is the node."""
    return c.set_aside, not c.alive, c.id


def connect(timeout: float) -> APIClient:
    """A client for the engine that the docker command uses. Raises the SDK's exceptions."""
    import docker
    from docker.context import ContextAPI
    from docker.utils import kwargs_from_env

    where: dict[str, Any] = {**kwargs_from_env()}
    if "base_url" not in where and (context := ContextAPI.get_current_context()) and context.Host:
        where["base_url"] = context.Host
    return docker.APIClient(version="auto", timeout=int(timeout), max_pool_size=2 * WAITING, **where)


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """Convert the SDK's exceptions to TargetErrors that say what to do."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as e:
        raise TargetError(f"the Docker engine refused: {explained(str(e.explanation or e))}") from e
    except (RequestException, TimeoutError, OSError) as e:
        raise TargetError(
            f"the Docker engine stopped answering ({_short(e)}); see whether `docker ps` answers, start the engine "
            "again if it does not, then `chaos down`"
        ) from e
    except DockerException as e:
        raise TargetError(f"no Docker engine answers ({_short(e)}); start it, or use --target process") from e


def _remove_container(api: APIClient, id_: str) -> None:
    """Remove a container. If it ends by itself during its kill, the engine refuses once; a second attempt succeeds."""
    from docker.errors import APIError

    try:
        api.remove_container(id_, v=True, force=True)
    except APIError as e:
        if "is not running" not in str(e.explanation or e):
            raise
        api.remove_container(id_, v=True, force=True)


def spared(call: Callable[[], object], *statuses: int) -> None:
    """Call `call`; responses with one of `statuses` count as success."""
    from docker.errors import APIError

    try:
        call()
    except APIError as e:
        if e.status_code not in statuses:
            raise


_TAKEN = re.compile(r"(\d+\.\d+\.\d+\.\d+):(\d+)(?::|\b)[^\n]*?(?:already in use|already allocated)")
_MISSING = re.compile(r"(?:manifest for|No such image:?|pull access denied for|repository) ([\w./:-]+)")
_NO_REGISTRY = re.compile(r'Get "?https?://\S+ .*(?:no such host|timeout|refused|unreachable|failure)')


def explained(text: str) -> str:
    """The message of the engine or the compose command, with advice if the problem is known."""
    if m := _TAKEN.search(text):
        return (
            f"port {m[1]}:{m[2]} is taken by another program; `ss -ltnp 'sport = :{m[2]}'` names it: end it "
            "(another stack: `chaos down` there), or change `ports:` in the stack's description"
        )
    if "overlaps with other" in text or "Address already in use" in text:
        return (
            "the stack's addresses are taken by another network of the engine; `docker network ls` names it: end what "
            "uses it and `docker network rm` it, or change `networks:` in the stack's description"
        )
    if "no space left on device" in text:
        return f"the engine's disk is full; make room (`docker system df` says what takes it): {_last(text)}"
    if _NO_REGISTRY.search(text):
        return (
            "no registry answers, and a required image is missing; name one that the engine has with "
            f"CHAOS_BASE=NAME, or let the stack's x-chaos block name a program that makes it: {_last(text)}"
        )
    if m := _MISSING.search(text):
        return f"image {m[1]} is missing and no registry has it; build it, or name another: {_last(text)}"
    return _last(text)


def _last(text: str) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()[-4:])


def _short(e: BaseException) -> str:
    return " ".join(str(e).split())[:200] or type(e).__name__
