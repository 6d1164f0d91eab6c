"""What goes into a bundle besides the models: task, labels, golden vectors, provenance."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.calibration import CalibrationSet
from edgeq.compiler import CompileReport
from edgeq.config import BuildSpec
from edgeq.contract import ContractReport
from edgeq.frontends import Source
from edgeq.pack import BundleParts, CompiledPart, GoldenPart
from edgeq.quantize import InputPlan, InputSamples, QuantReport, spread
from edgeq_device.bundle import InputInfo, RuntimeInfo
from edgeq_device.errors import ConfigError, ModelError
from edgeq_device.runtime import LoadedModel, Probe, load
from edgeq_device.tasks import Guess, guess_task
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.tflite import Model
from edgeq_device.transforms import Preprocessing

GOLDEN_SAMPLES = 3
GOLDEN_TOLERANCE = 16
"""Output steps by which another runtime's kernels may differ on a golden vector."""

PATHS = ("output", "save_model", "force", "compiler", "threads", "require_compiled")
"""Options that say where and how fast, not what: they do not change the bundle."""


@dataclass(frozen=True)
class Quantized:
    """The CPU model, which is also what the compiler is given, and how it came to be."""

    data: bytes = field(repr=False)
    mode: str
    report: QuantReport
    samples: tuple[InputSamples, ...] = field(repr=False, default=())
    calibration: CalibrationSet | None = field(repr=False, default=None)


@dataclass(frozen=True)
class Ingredients:
    """What the stages made, for one bundle."""

    spec: BuildSpec
    source: Source
    parsed: Model
    model: Quantized
    probe: Probe
    contract: ContractReport
    compiled: CompileReport | None
    labels: tuple[str, ...] = ()


def assemble(made: Ingredients) -> BundleParts:
    """All parts of the bundle; ConfigError where the labels do not fit the model."""
    inputs, outputs = made.parsed.input_specs(), made.parsed.output_specs()
    chosen = chosen_task(made.spec, made.parsed)
    labels, classes = made.labels, outputs[0].shape[-1] if outputs[0].shape else 1
    if chosen.task == "classify" and len(labels) > classes:
        extra = "remove the first one if it is 'background'"
        raise ConfigError(
            "--labels",
            f"{made.spec.labels} with {len(labels)} labels",
            f"at most the model's {classes} classes",
            hint=extra if len(labels) == classes + 1 else "give the labels of this model",
        )
    golden, why_not = golden_vectors(made)
    return BundleParts(
        name=Path(made.spec.model.rpartition(":")[2]).stem,
        cpu_model=made.model.data,
        inputs=tuple(
            input_info(made.spec, spec, plan)
            for spec, plan in zip(inputs, made.model.report.plans, strict=True)
        ),
        outputs=outputs,
        task=chosen.task,
        activation=chosen.activation,
        compiled=compiled_part(made.compiled),
        labels=labels,
        golden=golden,
        no_golden_reason=why_not,
        notes=tuple(allowed.sentence for allowed in made.contract.allowances),
        provenance=provenance(made),
    )


def class_count(parts: BundleParts) -> int:
    """How many classes the model tells apart; 0 where that is not its task."""
    return parts.outputs[0].shape[-1] if parts.task == "classify" else 0


def chosen_task(spec: BuildSpec, model: Model) -> Guess:
    """The task and the activation that were asked for, else what the model looks like."""
    guess = guess_task(model)
    task = guess.task if spec.task == "auto" else spec.task
    activation = guess.activation if task == "classify" else "none"
    return Guess(task, activation if spec.activation == "auto" else spec.activation)


def input_info(spec: BuildSpec, tensor: TensorSpec, plan: InputPlan) -> InputInfo:
    """How one input is fed: the declared preprocessing and who applies it."""
    declared = spec.preprocessing_of(tensor.name)
    if declared is None:
        reading = spec.picture_only
        if reading == Preprocessing():
            return InputInfo(tensor)
        return InputInfo(tensor, reading, "model")
    in_model = plan.pixels_go_in or (
        plan.kind in ("calibrated", "given") and tensor.dtype == "uint8"
    )
    return InputInfo(tensor, declared, "model" if in_model else "device")


def golden_vectors(made: Ingredients) -> tuple[GoldenPart | None, str]:
    """A few inputs with the CPU's outputs, or the reason why there are none."""
    if not made.probe.runs:
        return None, made.probe.reason
    model = load(made.model.data, name=made.spec.model)
    inputs = golden_inputs(made, model)
    outputs = [model.run(*arrays) for arrays in inputs]
    refuse_other_shapes(made, outputs[0])
    made_by = RuntimeInfo(model.runtime.name, model.runtime.version, platform.machine())
    return (
        GoldenPart(
            inputs=tuple(np.stack(arrays) for arrays in zip(*inputs, strict=True)),
            outputs=tuple(np.stack(arrays) for arrays in zip(*outputs, strict=True)),
            runtime=made_by,
            tolerance=GOLDEN_TOLERANCE,
        ),
        "",
    )


def refuse_other_shapes(made: Ingredients, outputs: tuple[Array, ...]) -> None:
    """ModelError where an output comes out in another shape than the file says."""
    for spec, array in zip(made.parsed.output_specs(), outputs, strict=True):
        if array.shape != spec.shape:
            raise ModelError(
                made.spec.model,
                f"says that its output {spec.name!r} has the shape {list(spec.shape)}, but it "
                f"comes out as {list(array.shape)}",
                hint="the file is damaged: copy or export it again",
            )


def golden_inputs(made: Ingredients, model: LoadedModel) -> list[tuple[Array, ...]]:
    """Calibration samples as the model takes them; seeded random numbers where there are none."""
    if not made.model.samples:
        chance = np.random.default_rng(made.spec.seed)
        return [
            tuple(_random(chance, spec) for spec in model.inputs) for _ in range(GOLDEN_SAMPLES)
        ]
    return [
        tuple(
            one.integer_value(number, plan, spec)
            for one, plan, spec in zip(
                made.model.samples, made.model.report.plans, model.inputs, strict=True
            )
        )
        for number in spread(len(made.model.samples[0].array), GOLDEN_SAMPLES)
    ]


def compiled_part(report: CompileReport | None) -> CompiledPart | None:
    """The compiled model for the bundle."""
    if report is None or report.compiled is None:
        return None
    return CompiledPart(report.compiled, report.compiler_version, report.min_runtime_version)


def provenance(made: Ingredients) -> dict[str, Any]:
    """Tool versions, options and digests: all that decides the bundle's bytes."""
    spec = made.spec
    options = {
        option.name: _plain(getattr(spec, option.name))
        for option in fields(spec)
        if option.name not in PATHS
    }
    found: dict[str, Any] = {
        "source": {"kind": made.source.kind, "sha256": made.source.digest},
        "engine": made.model.report.engine,
        "engine_reason": _without_folder(made.model.report.reason, spec.model),
        "versions": {"numpy": np.__version__, **made.source.versions},
        "options": options,
    }
    if made.model.calibration is not None:
        found["calibration"] = {
            "sha256": made.model.calibration.digest,
            "samples": len(made.model.calibration),
        }
    return found


def _random(chance: np.random.Generator, spec: TensorSpec) -> Array:
    if spec.dtype == "float32":
        return chance.random(spec.shape, dtype=np.float32)
    if spec.dtype not in ("uint8", "int8"):
        # Numbers of this kind are often indices into a table: only 0 is sure to be there.
        return np.zeros(spec.shape, spec.dtype)
    limits = np.iinfo(spec.dtype)
    numbers = chance.integers(int(limits.min), int(limits.max) + 1, spec.shape)
    return np.asarray(numbers, spec.dtype)


def _without_folder(text: str, path: str) -> str:
    """A sentence that names the model, without the folder that it lies in on this machine."""
    return text.replace(path, Path(path).name)


def _plain(value: Any) -> Any:
    """A JSON value without a path of this machine: of a file, its name."""
    if isinstance(value, Path):
        return value.name
    if isinstance(value, str) and "/" in value:
        return Path(value).name
    return list(value) if isinstance(value, tuple) else value
