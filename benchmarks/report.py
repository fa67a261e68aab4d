"""How every benchmark prints: what was measured, the ratio to its peer, its goal."""

from __future__ import annotations


def show(
    name: str, detail: str, ratio: float, *, goal: str, met: bool, spread: tuple[float, float] | None = None
) -> None:
    """Print one line of figures."""
    between = "" if spread is None else f" ({spread[0]:.2f} to {spread[1]:.2f})"
    print(f"{name}: ratio {ratio:.2f}{between}, goal {goal}: {'met' if met else 'MISSED'}; {detail}", flush=True)
