"""Reads a locustfile without executing it: whether it is Python, and whether it has a class of users.

It is somebody's program, so it runs only where the load runs. What only running it would tell is not refused here.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos import registry
from chaos.errors import BadExperiment
from chaos.experiment.users import parsed

NO_USERS = ("TaskSet", "LoadTestShape")  # what names of locust's classes that have no users end with
MAKERS = {"type", "exec", "eval", "globals", "setattr"}  # calls that may make a class
EXPECTED = "expected at least one class that subclasses HttpUser, FastHttpUser or User"


def read(path: Path, classes: Sequence[str] = ()) -> frozenset[str]:
    """The classes of users that are certainly there.

    Raises BadExperiment for a file that is not Python, that has no class of users, or lacks one of `classes`.
    """
    module = _Module(parsed(path))
    if module.partial:
        return frozenset(module.users)
    if not module.users:
        raise BadExperiment(f"{path}: found no User class, {EXPECTED}")
    if strange := [name for name in classes if name not in module.users]:
        hint = registry.hint(strange[0], sorted(module.users))
        raise BadExperiment(f"{path}: load.classes: no User class {strange[0]!r}; {hint}")
    return frozenset(module.users)


@dataclass(frozen=True)
class _Class:
    users: bool  # it is, or may be, a class of users
    abstract: bool


class _Module:
    """`users`: the names of concrete classes of users. `partial`: there may be more."""

    def __init__(self, tree: ast.Module) -> None:
        self.partial = False
        self._known: dict[str, _Class] = {}  # classes
        self._modules: dict[str, str] = {}  # imported names, and the module that each is or comes from
        for node in _statements(tree.body):
            self._statement(node)
        self.users = {name for name, one in self._known.items() if one.users and not one.abstract}

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Import():
                for alias in node.names:
                    self._modules[alias.asname or alias.name.partition(".")[0]] = alias.name
            case ast.ImportFrom():
                self._imported(node)
            case ast.ClassDef():
                users = any(self._base(base) for base in node.bases)
                self._known[node.name] = _Class(users or bool(node.keywords), _abstract(node))
            case _:
                calls = (n for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name))
                self.partial |= any(isinstance(c.func, ast.Name) and c.func.id in MAKERS for c in calls)

    def _imported(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            foreign = not _is(module, "locust") and not _standard(module)
            self.partial |= foreign and not alias.name.islower()  # it may be a class of users, or all of them
            self._modules[alias.asname or alias.name] = f"{module}.{alias.name}"

    def _base(self, base: ast.expr) -> bool:
        """Whether a class with this base has users, as far as it can be known."""
        name = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
        if name in self._known:
            return self._known[name].users
        first, _, rest = name.partition(".")
        if first not in self._modules:
            return not hasattr(builtins, name)
        full = f"{self._modules[first]}.{rest}".rstrip(".")
        return not _standard(full) and not (_is(full, "locust") and full.endswith(NO_USERS))


def _abstract(node: ast.ClassDef) -> bool:
    given = [n for n in node.body if isinstance(n, ast.Assign | ast.AnnAssign)]
    for one in given:
        targets = one.targets if isinstance(one, ast.Assign) else [one.target]
        if any(isinstance(t, ast.Name) and t.id == "abstract" for t in targets):
            return isinstance(one.value, ast.Constant) and one.value.value is True
    return False


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Those that run when the module is imported, also inside `if`, `try` and `with`."""
    for node in body:
        yield node
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _statements([n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt)])
            for handler in getattr(node, "handlers", ()):
                yield from _statements(handler.body)


def _is(module: str, package: str) -> bool:
    return module.partition(".")[0] == package


def _standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names
