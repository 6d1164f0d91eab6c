"""What an analysis tells, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass

EDGETPU, CPU = "edgetpu", "cpu"


@dataclass(frozen=True)
class Placement:
    """Where one operator of the first subgraph will run, and why."""

    index: int
    op: str
    """The builtin's name, or the custom operator's own."""
    placement: str
    """"edgetpu" or "cpu"."""
    rule: str
    reason: str
    remedy: str
    """The edit that would change it; "" on the Edge TPU."""
    macs: int

    @property
    def is_mapped(self) -> bool:
        """True where it runs on the Edge TPU."""
        return self.placement == EDGETPU


@dataclass(frozen=True)
class Blocker:
    """The first operator that keeps others off the Edge TPU; what would map without it."""

    operator: Placement
    gained_operators: int
    """Further operators, not counting the blocker itself."""
    gained_macs: int


@dataclass(frozen=True)
class Analysis:
    """The prediction for a whole model."""

    name: str
    is_float: bool
    """True where operators were judged as they will be once quantized."""
    operators: tuple[Placement, ...]
    blocker: Blocker | None
    parameter_bytes: int
    fit: str
    """"fits", "streams" or "unknown"."""

    @property
    def cpu_operators(self) -> tuple[Placement, ...]:
        """Those that stay on the CPU."""
        return tuple(each for each in self.operators if not each.is_mapped)

    @property
    def mapped(self) -> int:
        """How many run on the Edge TPU."""
        return len(self.operators) - len(self.cpu_operators)

    def macs(self, placement: str) -> int:
        """Multiply-accumulates per inference on one side."""
        return sum(each.macs for each in self.operators if each.placement == placement)

    @property
    def summary(self) -> str:
        """The line that ends a report."""
        return summary(self.mapped, len(self.operators))


def summary(mapped: int, total: int) -> str:
    """How the operators are shared out, in one line."""
    share = round(100 * mapped / total) if total else 0
    # Neither side may round away: 199 of 200 operators are not all.
    if 0 < mapped < total:
        share = min(max(share, 1), 99)
    rest = 100 - share if total else 0
    return f"Edge TPU {mapped} ops ({share} %) · CPU {total - mapped} ops ({rest} %)"
