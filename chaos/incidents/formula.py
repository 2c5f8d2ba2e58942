"""Formulas of a dossier, such as `(1 - f) ** n`. Names stand for settings of the run."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Mapping

LONGEST = 500  # characters
SIGNS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}  # fmt: skip


def computed(formula: str, values: Mapping[str, float]) -> float:
    """Return the value of the formula for these values of its names. Raises ValueError if it cannot be parsed."""

    def of(node: ast.expr) -> float:
        if isinstance(node, ast.Constant):
            return float(node.value)  # type: ignore[arg-type]  # _parsed accepts only numbers
        if isinstance(node, ast.Name):
            return float(values[node.id])
        assert isinstance(node, ast.BinOp)
        return SIGNS[type(node.op)](of(node.left), of(node.right))

    return of(_parsed(formula, values))


def unreadable(formula: str, names: Collection[str]) -> str:
    """Return why the formula cannot be parsed; empty if it can."""
    try:
        _parsed(formula, names)
    except ValueError as e:
        return str(e)
    return ""


def _parsed(formula: str, names: Collection[str]) -> ast.expr:
    """Parse a formula of numbers, `names` and + - * / **. Raises ValueError for anything else."""
    wrong = f"formula {formula!r:.80}: "
    if len(formula) > LONGEST:
        raise ValueError(f"{wrong}found {len(formula):,} characters, expected at most {LONGEST}")
    try:
        body = ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ValueError(f"{wrong}not a formula; expected numbers, names and + - * / **") from None
    for node in ast.walk(body):
        number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
        known = isinstance(node, ast.Name) and node.id in names
        sign = isinstance(node, ast.BinOp) and type(node.op) in SIGNS
        if isinstance(node, ast.expr) and not (number or known or sign):
            known_names = ", ".join(sorted(names)) or "none"
            raise ValueError(f"{wrong}cannot read {ast.unparse(node)!r:.80}; known names: {known_names}")
    return body
