"""From a model to a bundle: the only place that knows the order of the stages."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from edgeq import contract, frontends, quantize
from edgeq.analyze import Analysis, analyze
from edgeq.compiler import (
    CompileOptions,
    CompileReport,
    compile_model,
    default_folder,
    find_door,
)
from edgeq.config import BuildSpec
from edgeq.doubts import doubts
from edgeq.frontends import Source
from edgeq.legalize import LegalizeReport, LegalizeSpec, legalize
from edgeq.loading import Trial, for_source, input_samples, read_samples, refuse_unless_it_runs
from edgeq.pack import PackReport, pack
from edgeq.parts import Ingredients, Quantized, assemble, class_count
from edgeq.quantize import QuantReport, QuantSpec
from edgeq_device.errors import ConfigError, MissingTool
from edgeq_device.files import check_output, write_file
from edgeq_device.progress import Progress, silent
from edgeq_device.runtime import Probe
from edgeq_device.tasks import labels_doubt, read_labels
from edgeq_device.tensors import TensorSpec
from edgeq_device.tflite import parse_model

NAMED = 3
"""Layers that a remark about a rewrite names at most."""


@dataclass(frozen=True)
class StageTime:
    """How long one stage took."""

    name: str
    seconds: float


@dataclass(frozen=True)
class BuildResult:
    """All that a build has to tell."""

    bundle: PackReport
    source_kind: str
    model: Quantized
    contract: contract.ContractReport
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    compiled: CompileReport | None
    compile_skipped: str | None
    analysis: Analysis | None
    """Where each operator should run, foreseen without the compiler; None unless integer."""
    warnings: tuple[str, ...]
    stages: tuple[StageTime, ...]

    @property
    def sha256(self) -> str:
        """The digest of the CPU model."""
        return hashlib.sha256(self.model.data).hexdigest()


class _Clock:
    """Measures stages one after the other."""

    def __init__(self) -> None:
        self.stages: list[StageTime] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.stages.append(StageTime(name, time.perf_counter() - started))


def build(spec: BuildSpec, *, progress: Progress = silent) -> BuildResult:
    """Build the bundle that ``spec`` asks for; nothing is left behind where a stage fails."""
    frontends.detect(spec.model)
    output = checked_output(spec)
    labels = read_labels(spec.labels) if spec.labels else ()
    check_compiler(spec)
    clock = _Clock()
    with clock.stage("load"):
        source = frontends.open_source(spec.model, progress=progress)
    # A stranger's .tflite meets an interpreter first in a child; samples are read meanwhile.
    trial = Trial(Path(spec.model)) if source.kind == "tflite" else nullcontext()
    with source, trial as probed:
        spec = for_source(spec, source)
        model = prepare(spec, source, clock, probed, progress)
        with clock.stage("check"):
            parsed = parse_model(model.data, spec.model)
            checked = contract.check(parsed, mode=model.mode)
            checked.raise_if_broken(spec.model)
            probe = probed.result() if probed else Probe(runs=True, reason="")
        compiled, skipped = compile_stage(spec, model, clock, progress)
        with clock.stage("pack"):
            made = Ingredients(spec, source, parsed, model, probe, checked, compiled, labels)
            parts = assemble(made)
            bundle = pack(parts, output, force=spec.force)
            if spec.save_model is not None:
                write_file(spec.save_model, model.data)
    doubt = labels_doubt(len(labels), class_count(parts))
    return BuildResult(
        bundle=bundle,
        source_kind=source.kind,
        model=model,
        contract=checked,
        inputs=parsed.input_specs(),
        outputs=parsed.output_specs(),
        compiled=compiled,
        compile_skipped=skipped,
        analysis=analyze(parsed) if model.mode == "integer" else None,
        warnings=(*_warnings(source, model, doubt), *doubts(made, bundle.manifest)),
        stages=tuple(clock.stages),
    )


def _warnings(source: Source, model: Quantized, doubt: str) -> tuple[str, ...]:
    """What the user should know of, in the order in which it came up."""
    found = [*source.notes, *(model.calibration.warnings if model.calibration else ())]
    return tuple(filter(None, [*found, model.report.remark, doubt]))


def checked_output(spec: BuildSpec) -> Path:
    """The bundle's path, before any work: ConfigError where a file is in the way."""
    output = spec.output or Path(Path(spec.model.rpartition(":")[2]).stem + ".edgeq")
    check_output(output, "--output", force=spec.force)
    if spec.save_model is not None:
        check_output(spec.save_model, "--save-model", force=spec.force)
    return output


def check_compiler(spec: BuildSpec) -> None:
    """MissingTool, before any work, where edgetpu_compiler is named or required and is not there.

    ConfigError where it is required for a model that it cannot take.
    """
    if spec.require_compiled and spec.mode != "integer":
        allowed = "integer where --require-compiled is given"
        hint = "leave one of the two out: edgetpu_compiler takes fully integer models only"
        raise ConfigError("--mode", spec.mode, allowed, hint=hint)
    if find_door(spec.compiler) is None and spec.require_compiled:
        raise MissingTool(
            "edgetpu_compiler",
            "is not installed here, and --require-compiled asks for it",
            hint="install it on x86-64 Debian or Ubuntu from Google's package source "
            "coral-edgetpu-stable, or name it with --compiler or $EDGEQ_COMPILER",
        )


def prepare(
    spec: BuildSpec,
    source: Source,
    clock: _Clock,
    probed: Trial | None,
    progress: Progress,
) -> Quantized:
    """The model in the mode that was asked for: as given, converted or quantized."""
    if source.is_integer:
        return keep_integer(spec, source, clock, probed)
    if probed is not None and spec.calibration is None:
        refuse_unless_it_runs(spec, probed.result())
    calibration = None
    if spec.mode in ("integer", "float-fallback"):
        with clock.stage("read calibration data"):
            calibration = read_samples(spec, source, progress)
    if probed is not None:
        with clock.stage("try in a child"):
            refuse_unless_it_runs(spec, probed.result())
    if calibration is None:
        with clock.stage("convert"):
            data = source.float_model() if spec.mode == "float" else source.convert(spec.mode)
        plans = tuple(quantize.floats(spec.preprocessing_of(one.name)) for one in source.inputs)
        engine = "none" if spec.mode == "float" and source.kind == "tflite" else "tflite-converter"
        return Quantized(data, spec.mode, QuantReport(engine, f"--mode {spec.mode}", plans))
    if source.kind != "tflite":
        with clock.stage("float model"):
            source.float_model()
    samples = input_samples(calibration)
    done: list[LegalizeReport] = []
    told = QuantSpec(spec.model, spec.mode, spec.engine, spec.threads, _finisher(spec, done))
    with clock.stage("quantize"):
        data, report = quantize.quantize(source, samples, told, progress=progress)
    report = replace(report, remark=_joined(report.remark, rewrites_remark(done[-1:])))
    return Quantized(data, spec.mode, report, samples, calibration)


def keep_integer(spec: BuildSpec, source: Source, clock: _Clock, probed: Trial | None) -> Quantized:
    """An integer .tflite with the same answers: as it is, but for what the compiler asks."""
    if spec.mode != "integer":
        allowed = "integer: the model computes with integers already"
        raise ConfigError("--mode", spec.mode, allowed, hint="give the float model")
    # Float inputs stay: the declared preprocessing was meant for them.
    told = LegalizeSpec(
        spec.model,
        skip=("float-ends",),
        approximate=spec.approximate,
        uint8_ends=spec.uint8_ends,
    )
    with clock.stage("legalize"):
        if probed is not None:
            probed.result()  # a model that crashes has done so in the child by now
        data, done = legalize(source.integer_model(), (), told)
    plans = tuple(quantize.given() for _ in source.inputs)
    remark = rewrites_remark([done])
    report = QuantReport("none", "the model is integer already", plans, remark=remark)
    return Quantized(data, "integer", report)


def _finisher(spec: BuildSpec, done: list[LegalizeReport]) -> Callable[[bytes], bytes]:
    """Legalizes what an engine made; the reports are added to ``done``."""

    def finish(data: bytes) -> bytes:
        if spec.mode != "integer":
            return data
        legal, report = legalize(data, (), LegalizeSpec(spec.model, approximate=spec.approximate))
        done.append(report)
        return legal

    return finish


def rewrites_remark(reports: Sequence[LegalizeReport]) -> str:
    """Which rewrites changed the model, and on which layers; "" for none."""
    said = []
    for rewrite in (one for report in reports for one in report.rewrites):
        layers = dict.fromkeys(touched.output or touched.op for touched in rewrite.operators)
        named = ", ".join([*layers][:NAMED]) + (", ..." if len(layers) > NAMED else "")
        exactly = "bit for bit" if rewrite.is_exact else f"{rewrite.max_steps:.2g} steps at most"
        said.append(f"rewrote {rewrite.name} ({exactly}): {named}")
    return "; ".join(said)


def _joined(*remarks: str) -> str:
    return "; ".join(filter(None, remarks))


def compile_stage(
    spec: BuildSpec, model: Quantized, clock: _Clock, progress: Progress
) -> tuple[CompileReport | None, str | None]:
    """Call edgetpu_compiler where it is found; otherwise the reason why this was skipped."""
    skipped: str | None = None
    door = None
    if model.mode != "integer":
        skipped = f"edgetpu_compiler takes fully integer models only, this one is {model.mode}"
    else:
        door = find_door(spec.compiler)
        if door is None:
            skipped = "edgetpu_compiler is not installed here (x86-64 Linux only)"
    if door is None:
        return None, skipped
    options = CompileOptions(
        compiler=spec.compiler,
        timeout=spec.compile_timeout,
        min_runtime_version=spec.min_runtime_version,
        cache=default_folder(),
    )
    with clock.stage("compile"), TemporaryDirectory(prefix="edgeq-") as folder:
        path = Path(folder) / "model.tflite"
        write_file(path, model.data)
        report = compile_model(path, options, name=str(spec.model), progress=progress)
    if not report.ok:
        raise report.refusal(spec.model)
    return report, None
