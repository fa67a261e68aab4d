"""Metric math: arithmetic on time series and numbers, FILL with a number. What else AWS has is refused by name.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import TypeAlias

from tidegate.cloud.errors import ServiceError, not_offered

Series: TypeAlias = dict[int, float]  # epoch seconds to value
Value: TypeAlias = Series | float

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def names_in(text: str) -> set[str]:
    """Return the ids that an expression refers to; raise for one that is not arithmetic."""
    nodes = list(ast.walk(_parsed(text)))
    functions = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    return {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in functions}


def evaluate(text: str, series: Mapping[str, Series]) -> Series:
    """Return an expression's value at each time at which all of its series have one.

    Where a value cannot be had (a division by zero), there is none.
    """
    try:
        value = _value(_parsed(text).body, series)
    except RecursionError:
        raise invalid(text, "it is nested too deeply") from None
    if not isinstance(value, dict):
        raise invalid(text, "it is a number, not a time series")
    return value


def invalid(text: str, why: str) -> ServiceError:
    """Refuse an expression."""
    return ServiceError("ValidationError", f"Error in expression '{text}': {why}")


def _parsed(text: str) -> ast.Expression:
    try:
        tree = ast.parse(text.strip().replace("^", "**"), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise invalid(text, "it cannot be read") from None
    for node in ast.walk(tree):
        if _fills(node):
            continue
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else "a function"
            raise not_offered(f"the function {name} in a metric math expression")
        if isinstance(node, ast.Constant) and (
            isinstance(node.value, bool) or not isinstance(node.value, (int, float))
        ):
            raise invalid(text, f"{node.value!r} is not a number")
        if not isinstance(node, _KNOWN):
            raise not_offered(f"{type(node).__name__} in a metric math expression")
    return tree


def _fills(node: ast.AST) -> bool:
    """Return whether a node is FILL(series, number)."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "FILL"
        and not node.keywords
        and len(node.args) == 2
        and isinstance(node.args[1], ast.Constant)
    )


_KNOWN = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Name, ast.Constant, ast.Load, ast.USub, ast.UAdd,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow,
)  # fmt: skip


def _value(node: ast.expr, series: Mapping[str, Series]) -> Value:
    if isinstance(node, ast.Name):
        return series[node.id]
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.UnaryOp):
        value = _value(node.operand, series)
        if isinstance(node.op, ast.UAdd):
            return value
        return {time: -each for time, each in value.items()} if isinstance(value, dict) else -value
    if isinstance(node, ast.Call):
        filled, gap = _value(node.args[0], series), _value(node.args[1], series)
        if not isinstance(filled, dict) or isinstance(gap, dict):
            return filled
        return {time: filled.get(time, gap) for each in series.values() for time in each}
    assert isinstance(node, ast.BinOp)
    left, right = _value(node.left, series), _value(node.right, series)
    if not isinstance(left, dict) and not isinstance(right, dict):
        number = _computed(node.op, left, right)
        return {} if number is None else number
    times = [set(each) for each in (left, right) if isinstance(each, dict)]
    result: Series = {}
    for time in set.intersection(*times):
        one = left[time] if isinstance(left, dict) else left
        other = right[time] if isinstance(right, dict) else right
        number = _computed(node.op, one, other)
        if number is not None:
            result[time] = number
    return result


def _computed(kind: ast.operator, left: float, right: float) -> float | None:
    try:
        value = _OPERATORS[type(kind)](left, right)
    except (ZeroDivisionError, OverflowError):
        return None
    return value if isinstance(value, (int, float)) else None  # a power can be complex
