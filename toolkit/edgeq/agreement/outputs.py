"""How far one output of an integer model is from the float model's, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq_device.tensors import Array, TensorSpec

FINE_DB = 15.0
"""Above this signal-to-noise ratio a quantized model is taken without a second look."""
LOST_DB = 3.0
"""Below this, half of an output's energy is noise: nobody wants to ship it."""
FINE_SHARE, LOST_SHARE = 0.9, 0.5
"""The same for outputs that are whole numbers by nature: the share that is equal."""
FEW_STEPS = 1.5
"""An error this small (root mean square, in output steps) is the output's own rounding."""
MANY_STEPS = 16.0
"""A scale that came from samples gives the largest value at least this many steps."""
FIXED_SCALES = (1 / 256, 1 / 128)
"""The scales of SOFTMAX, LOGISTIC, TANH and L2_NORMALIZATION, whatever their results are."""


@dataclass(frozen=True)
class OutputAgreement:
    """How one output of the integer model differs from the float model's."""

    name: str
    sqnr_db: float
    """Signal to quantization noise in decibels; infinite where both are equal."""
    max_error: float
    rms_steps: float
    """Root mean square error in quantization steps of the output; 0 where it is not quantized."""
    max_steps: float
    top1: float | None
    """Share of samples with the same largest class, or of equal numbers where the output is
    whole by nature (ARG_MAX); None where the output is neither."""
    is_rounding: bool = False
    """True where the error is no more than the output's own rounding."""
    is_whole: bool = False
    """True where the output is whole numbers by nature, which have no scale."""
    classes_seen: int | None = None
    """How many different classes the float model gave; None where it gives none."""

    @property
    def is_fine(self) -> bool:
        """True where the difference is no more than what 8 bits have to cost."""
        if self.is_whole:
            return self.top1 is None or self.top1 >= FINE_SHARE
        return self.sqnr_db >= FINE_DB or self.is_rounding

    @property
    def is_lost(self) -> bool:
        """True where the output is mostly noise."""
        if self.is_whole:
            return self.top1 is not None and self.top1 < LOST_SHARE
        return self.sqnr_db < LOST_DB and not self.is_rounding


@dataclass(frozen=True)
class Agreement:
    """The comparison of an integer model with its float model on ``samples`` samples."""

    samples: int
    outputs: tuple[OutputAgreement, ...]

    @property
    def sqnr_db(self) -> float:
        """The worst output's ratio."""
        return min((output.sqnr_db for output in self.outputs), default=float("inf"))

    @property
    def top1(self) -> float | None:
        """The worst output's share of equal classes; None where no output is a class vector."""
        shares = [output.top1 for output in self.outputs if output.top1 is not None]
        return min(shares) if shares else None


def compare_output(
    reference: TensorSpec, candidate: TensorSpec, expected: Array, seen: Array, step: float
) -> OutputAgreement:
    """Compare stacked results [N, ...] of one output, dequantized on both sides.

    ``step`` is what the output was rounded to, 0 where it was not.
    """
    wanted = reference.dequantize(expected).astype(np.float64)
    got = candidate.dequantize(seen).astype(np.float64).reshape(wanted.shape)
    noise = wanted - got
    rms = float(np.sqrt(np.mean(noise**2))) if noise.size else 0.0
    largest = float(np.abs(noise).max(initial=0.0))
    is_whole = expected.dtype.kind in "iub" and not reference.is_quantized
    top1 = float(np.mean(wanted == got)) if is_whole else same_class(wanted, got)
    return OutputAgreement(
        name=candidate.name or reference.name,
        sqnr_db=max(decibels(wanted, noise), -300.0),
        max_error=largest,
        rms_steps=rms / step if step else 0.0,
        max_steps=largest / step if step else 0.0,
        top1=top1,
        is_rounding=is_own_rounding(wanted, noise, step),
        is_whole=is_whole,
        classes_seen=None if top1 is None or is_whole else count_classes(wanted),
    )


def count_classes(wanted: Array) -> int:
    """How many different largest classes there are among the samples [N, ..., classes]."""
    return len(np.unique(wanted.reshape(len(wanted), -1).argmax(axis=1)))


def is_own_rounding(wanted: Array, noise: Array, step: float) -> bool:
    """True where ``noise`` is about what rounding ``wanted`` to steps must leave.

    A step that is far too wide for the values is no excuse, unless the operator prescribes it.
    """
    if step <= 0.0 or not noise.size or float(np.sqrt(np.mean(noise**2))) > FEW_STEPS * step:
        return False
    prescribed = any(abs(step - scale) < 1e-6 for scale in FIXED_SCALES)
    largest = float(np.abs(wanted).max())
    return prescribed or largest == 0.0 or largest >= MANY_STEPS * step


def decibels(signal: Array, noise: Array) -> float:
    """Signal to noise in decibels: infinite without noise, minus infinite without signal."""
    power, lost = float(np.sum(np.square(signal))), float(np.sum(np.square(noise)))
    if lost == 0.0:
        return float("inf")
    return 10 * float(np.log10(power / lost)) if power > 0.0 else float("-inf")


def same_class(wanted: Array, got: Array) -> float | None:
    """The share of samples whose largest class is equal, for outputs [N, 1, classes]."""
    classes = wanted.shape[-1]
    if wanted.ndim < 2 or classes < 2 or wanted[0].size != classes:
        return None
    left, right = wanted.reshape(-1, classes), got.reshape(-1, classes)
    # Equal 8-bit scores are a tie, not a different answer: compare with the reference's choice.
    chosen = np.take_along_axis(right, left.argmax(axis=1)[:, None], axis=1)[:, 0]
    return float(np.mean(chosen >= right.max(axis=1)))
