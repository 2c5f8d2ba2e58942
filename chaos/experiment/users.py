"""Reads a users' file without executing it: its journeys, and the types of clients.

Only the load process executes it, because it may import locust. If something can only be found by executing it (a
computed name of a journey, a class made by a call, a base class of another package), the result is `partial` and is not
used to refuse anything.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos.errors import BadExperiment

OPENLOOP = "chaos.load.openloop"
PLAIN = {"property", "staticmethod", "classmethod"}  # decorators that make no journey
MOST = 1 << 20  # bytes of a file
CLIENT = "app"  # of a class that names none
# Attributes of OpenUser: a journey of such a name would take its place, and nothing would be sent.
OWN = frozenset(
    """
    abstract address ask call client_pool client_type concurrency connection_timeout context credentials
    default_headers fixed_count fullname get greenlet group host hosts insecure json least mate max_redirects
    max_retries max_wait min_wait network_timeout on_start on_stop op post proxy_host proxy_port put rest rest_
    run sign_up ssl_context_factory start stop tasks turn wait wait_function wait_time want weight
    """.split()  # noqa: SIM905 (fifty names)
)


@dataclass(frozen=True)
class Users:
    journeys: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    partial: bool = False


def read(path: Path) -> Users:
    """Raises BadExperiment for a file that is not Python, or has no journey."""
    module = _Module(path)
    kinds = [k for k in module.names.values() if isinstance(k, _Class) and k.counts]
    if not module.partial and not kinds:
        expected = "expected at least one class that subclasses OpenUser"
        raise BadExperiment(f"{path}: found no users, {expected}; name a plain locustfile with `load.locustfile`")
    if not module.partial and (idle := [k.name for k in kinds if not k.journeys]):
        expected = 'expected at least one method marked with @journey("name")'
        raise BadExperiment(f"{path}: {idle[0]}: found no journey, {expected}")
    if hidden := [
        f"{k.name}.{name}" for k in kinds for name, m in k.methods.items() if (m.journey or m.reads) and name in OWN
    ]:
        raise BadExperiment(
            f"{path}: {hidden[0]}: a method that is a journey or a read-back hides OpenUser.{hidden[0].split('.')[1]}, "
            'which users need; give the method another name (@journey("…") still says what reports call it)'
        )
    unread = [] if module.partial else [(k.name, journey) for k in kinds for journey in sorted(k.unread)]
    if unread:
        raise BadExperiment(
            *(
                f"{path}: {name}: journey {journey!r} writes but is not read back, "
                f'expected a method marked with @readback("{journey}")'
                for name, journey in unread
            )
        )
    named = frozenset(name for k in kinds for name in k.journeys)
    return Users(named, frozenset(k.client for k in kinds), module.partial)


@dataclass(frozen=True)
class _Marker:
    """A name of chaos.load.openloop: OpenUser, journey, readback; without a name the module itself."""

    name: str = ""


@dataclass(frozen=True)
class _Foreign:
    """A name of another package; `standard`: of the standard library, which has no users."""

    standard: bool


@dataclass(frozen=True)
class _Method:
    """The journey that it is an operation of, and whether it writes; or the journey that it reads back."""

    journey: str = ""
    writes: bool = False
    reads: str = ""


@dataclass
class _Class:
    name: str
    bases: Sequence[_Class]
    is_users: bool
    abstract: bool = False
    weight: float | None = None  # its own weight and client; None: inherited
    said: str | None = None
    methods: dict[str, _Method] = field(default_factory=dict)  # its own

    @property
    def counts(self) -> bool:
        weights = [c.weight for c in self._line() if c.weight is not None]
        return self.is_users and not self.abstract and (not weights or weights[0] > 0)

    @property
    def journeys(self) -> set[str]:
        return {method.journey for method in self._every() if method.journey}

    @property
    def unread(self) -> set[str]:
        """Journeys that write but are not read back."""
        every = list(self._every())
        return {m.journey for m in every if m.writes} - {m.reads for m in every}

    def _every(self) -> Iterator[_Method]:
        """Its methods, including inherited ones."""
        found: dict[str, _Method] = {}
        for one in reversed(list(self._line())):
            found |= one.methods
        yield from found.values()

    @property
    def client(self) -> str:
        return next((c.said for c in self._line() if c.said is not None), CLIENT)

    def _line(self) -> Iterator[_Class]:
        """The class and its bases, the nearest first."""
        yield self
        for base in self.bases:
            yield from base._line()


class _Module:
    """The meaning of the names in a file: classes, functions, texts, markers, other modules."""

    def __init__(self, path: Path, above: tuple[Path, ...] = ()) -> None:
        self._path, self._above = path, (*above, path)
        self.names: dict[str, object] = {}
        self.partial = False
        for statement in parsed(path).body:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.ImportFrom():
                found = self._module(node.module or "", node.level)
                for alias in node.names:
                    self.partial |= found == _Foreign(False) and not alias.name.islower()  # it may be a class of users
                    self.partial |= alias.name == "*" and not isinstance(found, _Foreign)
                    self.names[alias.asname or alias.name] = _member(found, alias.name)
            case ast.Import():
                for alias in node.names:
                    whole = alias.asname is not None or "." not in alias.name
                    found = self._module(alias.name if whole else alias.name.partition(".")[0], 0)
                    self.names[alias.asname or alias.name.partition(".")[0]] = found
            case ast.ClassDef():
                self.names[node.name] = self._class(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.names[node.name] = node
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                self.names[name] = self._value(node.value)
                self.partial |= self._makes(node.value)
            case _:
                self.partial |= self._makes(node)

    def _module(self, name: str, level: int) -> object:
        if name in {OPENLOOP, f"{OPENLOOP}.user"}:
            return _Marker()
        if name.startswith(f"{OPENLOOP}."):
            return _Foreign(True)  # clients, which are no users
        beside = self._path.parent / f"{name}.py"
        if not level and "." not in name and beside.is_file() and beside not in self._above:
            found = _Module(beside, self._above)
            self.partial |= found.partial
            return found
        return _Foreign(not level and name.partition(".")[0] in sys.stdlib_module_names)

    def _class(self, node: ast.ClassDef) -> _Class:
        bases = [self._value(base.value if isinstance(base, ast.Subscript) else base) for base in node.bases]
        ours = [b for b in bases if isinstance(b, _Class)]
        made = _Class(node.name, ours, _Marker("OpenUser") in bases or any(b.is_users for b in ours))
        known = [*ours, _Marker("OpenUser"), _Foreign(True)]
        self.partial |= any(b not in known for b in bases)
        self.partial |= made.is_users and bool(node.keywords or node.decorator_list)
        for statement in node.body:  # for all classes, because they may be used as mix-ins
            self._attribute(made, statement)
        return made

    def _attribute(self, made: _Class, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                made.methods[node.name] = self._method(node)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                value = node.value.value if isinstance(node.value, ast.Constant) else self._value(node.value)
                made.methods[name] = _Method()
                if name == "abstract":
                    made.abstract = value is True
                elif name == "client_type":
                    made.said = value if isinstance(value, str) else None
                elif name == "weight":
                    made.weight = value if isinstance(value, int | float) else None
                computed = {"client_type": made.said, "weight": made.weight}.get(name, "") is None
                self.partial |= computed or self._makes(node.value)
            case _:
                self.partial |= self._makes(node)

    def _method(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> _Method:
        """The method with its decorators."""
        journey, writes, reads = "", False, ""
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            called = call.func if call else decorator
            marker = self._value(called)
            if marker in (_Marker("journey"), _Marker("readback")):
                name = self._value(_name_of(call)) if call else None
                self.partial |= not isinstance(name, str)
                said = name if isinstance(name, str) else ""
                if marker == _Marker("readback"):
                    reads = said
                else:
                    journey, writes = said, self._writes(call)
            elif not (isinstance(called, ast.Name) and called.id in PLAIN):
                self.partial = True  # the decorator may remove or set a mark
        return _Method(journey, writes, reads)

    def _writes(self, call: ast.Call | None) -> bool:
        """Whether a journey is marked as writing."""
        given = [k for k in (call.keywords if call else ()) if k.arg in ("writes", None)]
        self.partial |= any(not isinstance(k.value, ast.Constant) for k in given)  # computed, or `**marks`
        return any(isinstance(k.value, ast.Constant) and bool(k.value.value) for k in given)

    def _makes(self, node: ast.AST | None) -> bool:
        """Whether it may make or change a class of users: a call with one, or with a name of the load's package."""
        for call in ast.walk(node) if node else ():
            if isinstance(call, ast.ClassDef | ast.Import | ast.ImportFrom):
                return True
            if isinstance(call, ast.Call) and any(self._ours(n) for n in ast.walk(call) if isinstance(n, ast.Name)):
                return True
        return False

    def _ours(self, name: ast.Name) -> bool:
        kinds = _Class | _Marker | _Module | ast.FunctionDef | ast.AsyncFunctionDef
        return name.id in {"type", "exec", "eval", "globals"} or isinstance(self.names.get(name.id), kinds)

    def _value(self, node: ast.expr | None) -> object:
        """The value of an expression; None if unknown."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name(id=name):
                return self.names.get(name, _Foreign(True) if hasattr(builtins, name) else None)
            case ast.Attribute(value=value, attr=attr):
                return _member(self._value(value), attr)
        return None


def _member(of: object, name: str) -> object:
    if isinstance(of, _Module):
        return of.names.get(name)
    if of == _Marker():
        return _Marker(name)
    return of if isinstance(of, _Foreign) else None


def _name_of(call: ast.Call) -> ast.expr | None:
    return next(iter([*call.args, *(k.value for k in call.keywords if k.arg == "name")]), None)


def parsed(path: Path) -> ast.Module:
    """The syntax of a Python file. Raises BadExperiment, with the line, for one that has none or cannot be read."""
    try:
        if (size := path.stat().st_size) > MOST:
            raise BadExperiment(f"{path}: found {size:,} bytes, expected at most {MOST:,}")
        tree = ast.parse(path.read_bytes(), str(path))
        compile(tree, str(path), "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
        raise BadExperiment(f"{path}:{getattr(e, 'lineno', None) or 1}: {getattr(e, 'msg', None) or e}") from None
    except OSError as e:
        raise BadExperiment(f"{path}: cannot be read: {e.strerror}") from None
    return tree
