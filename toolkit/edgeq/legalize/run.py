"""Apply the pass list, and take each rewrite only where it keeps its promise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.legalize.check import FLOAT_ROUNDING, Sample, apart
from edgeq.legalize.draft import Draft, LegalizeSpec, Rewrite, Touched, opened
from edgeq.legalize.passes import PASSES
from edgeq.model import drop_dead_parts, write
from edgeq_device.errors import ConfigError, EdgeqError
from edgeq_device.tflite import parse_model


@dataclass(frozen=True)
class Applied:
    """A rewrite that changed the model."""

    name: str
    operators: tuple[Touched, ...]
    max_steps: float
    """How far the answers moved, measured; 0.0 is bit for bit."""

    @property
    def is_exact(self) -> bool:
        """True where every answer was the same, bit for bit."""
        return self.max_steps == 0.0


@dataclass(frozen=True)
class Undone:
    """A rewrite that would have changed the model, and why it was taken back."""

    name: str
    operators: tuple[Touched, ...]
    reason: str


@dataclass(frozen=True)
class LegalizeReport:
    """What was done to a model, in order."""

    rewrites: tuple[Applied, ...] = ()
    undone: tuple[Undone, ...] = ()


def legalize(
    data: bytes,
    samples: Sequence[Sample] = (),
    spec: LegalizeSpec | None = None,
    passes: tuple[Rewrite, ...] = PASSES,
) -> tuple[bytes, LegalizeReport]:
    """Checked .tflite bytes -> the model as the frozen compiler reads it best, and a report.

    ``samples`` (the model's own inputs) are what it is run on before and after each rewrite;
    without any, seeded values. The very same bytes come back where nothing applies. ConfigError
    for a rewrite that does not exist, ModelError where the model cannot be made static.
    """
    spec = spec or LegalizeSpec()
    draft = Draft(opened(data, spec.name), data, spec)
    applied: list[Applied] = []
    undone: list[Undone] = []
    for rewrite in wanted(spec, passes):
        touched = rewrite.apply(draft)
        if not touched:
            continue
        drop_dead_parts(draft.model)
        after = write(draft.model)
        reason, steps = _judge(draft, after, samples, rewrite)
        if reason:
            undone.append(Undone(rewrite.name, touched, reason))
            draft = Draft(opened(draft.data, spec.name), draft.data, spec)
        else:
            applied.append(Applied(rewrite.name, touched, steps))
            draft.data = after
    return draft.data, LegalizeReport(tuple(applied), tuple(undone))


def wanted(spec: LegalizeSpec, passes: tuple[Rewrite, ...] = PASSES) -> tuple[Rewrite, ...]:
    """The rewrites to run, in order; ConfigError for a name that none has."""
    names = tuple(rewrite.name for rewrite in passes)
    for option, given in (("--only", spec.only), ("--skip", spec.skip)):
        for name in given:
            if name not in names:
                raise ConfigError(option, name, "one of " + ", ".join(names))
    return tuple(
        rewrite
        for rewrite in passes
        if (not spec.only or rewrite.name in spec.only)
        and rewrite.name not in spec.skip
        and (rewrite.is_exact or spec.approximate)
    )


def _judge(
    draft: Draft, after: bytes, samples: Sequence[Sample], rewrite: Rewrite
) -> tuple[str, float]:
    """Why the rewrite must be undone, "" where it keeps its promise; and the measured steps."""
    try:
        parse_model(after, draft.spec.name)
        steps = apart(draft.data, after, samples, draft.spec.name)
    except EdgeqError as error:
        return f"it could not be checked: {error}", 0.0
    allowed = FLOAT_ROUNDING if rewrite.is_exact else rewrite.max_steps
    if steps > allowed:
        promise = "the same answers" if rewrite.is_exact else f"{allowed:g} steps at most"
        return f"it promises {promise}, and an answer moved by {steps:.3g} steps", steps
    return "", steps
