"""The one place that compares two models on samples: does the integer model say what float says?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeq_device.errors import GateFailed
from edgeq_device.runtime import LoadedModel, LoadOptions, load
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.tflite import Model, parse_model

Sample = tuple[Array, ...]

FINE_DB = 15.0
"""Above this signal-to-noise ratio a quantized model is taken without a second look."""
BROKEN_DB = 8.0
"""An operator whose result falls below this, while its operands are fine, is broken."""
LOST_DB = 3.0
"""Below this, half of an output's energy is noise: nobody wants to ship it."""
FEW_STEPS = 1.5
"""An error this small (root mean square, in output steps) is the output's own rounding."""


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
    """Share of samples with the same largest class; None where the output is no class vector."""

    @property
    def is_fine(self) -> bool:
        """True where the difference is no more than what 8 bits have to cost."""
        return self.sqnr_db >= FINE_DB or 0 < self.rms_steps <= FEW_STEPS

    @property
    def is_lost(self) -> bool:
        """True where the output is mostly noise."""
        return self.sqnr_db < LOST_DB and not 0 < self.rms_steps <= FEW_STEPS


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


@dataclass(frozen=True)
class BrokenOperator:
    """An operator of the integer model whose result no longer follows the float model."""

    index: int
    op: str
    tensor: str
    before_db: float
    after_db: float


def compare(
    reference: LoadedModel,
    candidate: LoadedModel,
    samples: Sequence[tuple[Sample, Sample]],
) -> Agreement:
    """Run both models on each sample, given as (reference's inputs, candidate's inputs)."""
    expected: list[list[Array]] = [[] for _ in reference.outputs]
    seen: list[list[Array]] = [[] for _ in candidate.outputs]
    for for_reference, for_candidate in samples:
        for kept, array in zip(expected, reference.run(*for_reference)):
            kept.append(array)
        for kept, array in zip(seen, candidate.run(*for_candidate)):
            kept.append(array)
    return Agreement(
        len(samples),
        tuple(
            compare_output(spec, ours, np.stack(wanted), np.stack(got))
            for spec, ours, wanted, got in zip(
                reference.outputs, candidate.outputs, expected, seen, strict=True
            )
        ),
    )


def compare_output(
    reference: TensorSpec, candidate: TensorSpec, expected: Array, seen: Array
) -> OutputAgreement:
    """Compare stacked results [N, ...] of one output, dequantized on both sides."""
    wanted = reference.dequantize(expected).astype(np.float64)
    got = candidate.dequantize(seen).astype(np.float64).reshape(wanted.shape)
    noise = wanted - got
    rms = float(np.sqrt(np.mean(noise**2))) if noise.size else 0.0
    largest = float(np.abs(noise).max(initial=0.0))
    step = candidate.scale if candidate.is_quantized else 0.0
    return OutputAgreement(
        name=candidate.name or reference.name,
        sqnr_db=decibels(wanted, noise),
        max_error=largest,
        rms_steps=max(rms / step, 1e-300) if step else 0.0,
        max_steps=largest / step if step else 0.0,
        top1=same_class(wanted, got),
    )


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


def accept(
    agreement: Agreement,
    reference: bytes,
    candidate: bytes,
    samples: Sequence[tuple[Sample, Sample]],
) -> str:
    """Judge a quantized model: returns a remark ("" where all is well) or raises GateFailed.

    ``reference`` and ``candidate`` are the two models; they are run again with every tensor
    kept, to name the operator, only where an output is not fine.
    """
    doubtful = [output for output in agreement.outputs if not output.is_fine]
    if not doubtful:
        return ""
    broken = find_broken(reference, candidate, samples[:4])
    worst = min(doubtful, key=lambda output: output.sqnr_db)
    ratio = f"output {worst.name!r} has {worst.sqnr_db:.1f} dB against the float model"
    if broken is not None and broken.after_db < BROKEN_DB:
        raise GateFailed(
            f"operator {broken.index} ({broken.op}, tensor {broken.tensor!r}) is quantized "
            f"wrongly: {broken.before_db:.1f} dB before it, {broken.after_db:.1f} dB after it; "
            + ratio,
            hint="replace that operator (SUM: use MEAN), or try --engine tflite-converter",
        )
    if worst.is_lost:
        culprit = ""
        if broken is not None:
            culprit = (
                f"; most is lost at operator {broken.index} ({broken.op}, {broken.tensor!r}): "
                f"{broken.before_db:.1f} dB to {broken.after_db:.1f} dB"
            )
        raise GateFailed(
            ratio + culprit,
            hint="calibrate with pictures like those of the task, preprocessed as in training",
        )
    return ratio + " (fair, not good)"


def find_broken(
    reference: bytes, candidate: bytes, samples: Sequence[tuple[Sample, Sample]]
) -> BrokenOperator | None:
    """The operator of the candidate at which most of the agreement is lost, None without one.

    Tensors are matched by name; an operator counts where its result and at least one computed
    operand have a twin in the float model.
    """
    ratios = tensor_ratios(reference, candidate, samples)
    model = parse_model(candidate, "integer model")
    graph = model.subgraphs[0]
    worst: BrokenOperator | None = None
    for operator in graph.operators:
        before = [ratios[index] for index in operator.inputs if index in ratios]
        after = [(ratios[index], index) for index in operator.outputs if index in ratios]
        if not before or not after:
            continue
        lowest, tensor = min(after)
        drop = min(before) - lowest
        if worst is None or drop > worst.before_db - worst.after_db:
            name = graph.tensors[tensor].name
            worst = BrokenOperator(operator.index, operator.op, name, min(before), lowest)
    return worst


def tensor_ratios(
    reference: bytes, candidate: bytes, samples: Sequence[tuple[Sample, Sample]]
) -> dict[int, float]:
    """Signal to noise of each computed tensor of the candidate that the reference has too."""
    options = LoadOptions(preserve_all=True)
    wanted = load(reference, name="float model", options=options)
    got = load(candidate, name="integer model", options=options)
    twins = matching_tensors(
        parse_model(reference, "float model"), parse_model(candidate, "integer model")
    )
    power = dict.fromkeys(twins, 0.0)
    lost = dict.fromkeys(twins, 0.0)
    for for_reference, for_candidate in samples:
        wanted.run(*for_reference)
        got.run(*for_candidate)
        for index, (twin, spec) in twins.items():
            signal = np.asarray(wanted.tensor(twin), np.float64)
            noise = signal - spec.dequantize(got.tensor(index)).reshape(signal.shape)
            power[index] += float(np.sum(signal**2))
            lost[index] += float(np.sum(noise**2))
    return {
        index: 10 * float(np.log10(max(power[index], 1e-30) / max(lost[index], 1e-30)))
        for index in twins
    }


def matching_tensors(reference: Model, candidate: Model) -> dict[int, tuple[int, TensorSpec]]:
    """Computed float tensors of the reference by the candidate's tensor of the same name."""
    ours = reference.subgraphs[0]
    computed = {index for operator in ours.operators for index in operator.outputs}
    computed |= set(ours.inputs)
    by_name = {
        tensor.name: tensor
        for tensor in ours.tensors
        if tensor.index in computed and tensor.dtype == "float32" and tensor.name
    }
    found: dict[int, tuple[int, TensorSpec]] = {}
    for tensor in candidate.subgraphs[0].tensors:
        base = tensor.name[: -len("_int8")] if tensor.name.endswith("_int8") else tensor.name
        twin = by_name.get(base)
        quantization = tensor.quantization
        if twin is None or quantization is None or len(quantization.scales) != 1:
            continue
        if int(np.prod(twin.shape)) != int(np.prod(tensor.shape)):
            continue
        scale, zero_point = quantization.scales[0], quantization.zero_points[0]
        spec = TensorSpec(tensor.name, tensor.shape, tensor.dtype, scale, int(zero_point))
        found[tensor.index] = (twin.index, spec)
    return found
