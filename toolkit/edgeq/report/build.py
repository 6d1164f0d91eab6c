"""What a build tells: a block of text for people, a document for machines."""

from __future__ import annotations

from typing import Any

from edgeq.agreement import Agreement
from edgeq.analyze import summary
from edgeq.contract import Allowance
from edgeq.pipeline import BuildResult
from edgeq.report.analysis import operator_lines, placement_json
from edgeq.report.phrases import first_and_more
from edgeq.report.sizes import size
from edgeq_device.bundle.records import spec_as_dict
from edgeq_device.tensors import TensorSpec


def build_json(result: BuildResult) -> dict[str, Any]:
    """The document of ``edgeq build --json``; keys are a contract, more may be added."""
    report, compiled = result.model.report, result.compiled
    return {
        "schema": "edgeq.build/1",
        "bundle": str(result.bundle.path),
        "bundle_bytes": result.bundle.bytes,
        "bundle_sha256": result.bundle.sha256,
        "cpu_model": {"bytes": len(result.model.data), "sha256": result.sha256},
        "compiled": compiled is not None,
        "compile_skipped": result.compile_skipped,
        "compiler_version": compiled.compiler_version if compiled else None,
        "mode": result.model.mode,
        "source": result.source_kind,
        "task": result.bundle.manifest.task,
        "activation": result.bundle.manifest.activation,
        "engine": report.engine,
        "engine_reason": report.reason,
        "inputs": [
            {
                **spec_as_dict(spec),
                "preprocessing": plan.kind,
                "preprocessing_text": plan.sentence,
                "preprocessing_error": plan.error,
            }
            for spec, plan in zip(result.inputs, report.plans, strict=True)
        ],
        "outputs": [spec_as_dict(spec) for spec in result.outputs],
        "agreement": agreement_json(report.agreement),
        "allowances": [allowance_json(allowed) for allowed in result.contract.allowances],
        "predicted": placement_json(result.analysis) if result.analysis else None,
        "warnings": list(result.warnings),
        "stages": [
            {"name": stage.name, "seconds": round(stage.seconds, 4)} for stage in result.stages
        ],
    }


def agreement_json(agreement: Agreement | None) -> dict[str, Any] | None:
    """How the quantized model follows the float model; None where there is no float model."""
    if agreement is None:
        return None
    return {
        "samples": agreement.samples,
        "top1": agreement.top1,
        "outputs": [
            {
                "name": output.name,
                "sqnr_db": None if output.sqnr_db == float("inf") else round(output.sqnr_db, 3),
                "max_error": output.max_error,
                "max_steps": round(output.max_steps, 3),
            }
            for output in agreement.outputs
        ],
    }


def allowance_json(allowed: Allowance) -> dict[str, Any]:
    """Something that is not integer, or not for the Edge TPU, and was let through."""
    return {
        "name": allowed.name,
        "operators": list(allowed.operators),
        "tensors": list(allowed.tensors),
        "sentence": allowed.sentence,
    }


def build_lines(result: BuildResult) -> tuple[str, ...]:
    """The block that ends a build."""
    report = result.model.report
    lines = [f"Built {result.bundle.path} ({size(result.bundle.bytes)})"]
    lines.append(
        f"  CPU model    {size(len(result.model.data))}, {result.model.mode}, sha256 "
        f"{result.sha256[:12]}"
    )
    lines.append(f"  Quantized by {report.engine} ({report.reason})")
    for spec, plan in zip(result.inputs, report.plans, strict=True):
        lines.append(f"  Input        {spec_text(spec)}")
        lines.append(f"               {plan.sentence}")
    lines += [f"  Output       {spec_text(spec)}" for spec in result.outputs]
    lines.append(f"  Task         {task_text(result)}")
    lines += agreement_lines(report.agreement)
    for allowed in result.contract.allowances:
        where = first_and_more(allowed.operators or allowed.tensors)
        lines.append(f"  Allowed      {where}: {allowed.sentence}" if where else allowed.sentence)
    lines.append(f"  Edge TPU     {compiled_text(result)}")
    total = sum(stage.seconds for stage in result.stages)
    slow = sorted(result.stages, key=lambda stage: -stage.seconds)[:3]
    parts = ", ".join(f"{stage.name} {stage.seconds:.1f} s" for stage in slow)
    lines.append(f"  Time         {total:.1f} s ({parts})")
    lines += placement_lines(result)
    lines.append(f"Next: edgeq run {result.bundle.path} INPUT")
    return tuple(lines)


def task_text(result: BuildResult) -> str:
    """What the outputs are taken for, and what is still done to them."""
    manifest = result.bundle.manifest
    if manifest.task != "classify":
        return manifest.task
    done = "scores as they are"
    if manifest.activation != "none":
        done = f"{manifest.activation} applied to the scores"
    return f"classify, {done} (--task raw gives plain numbers)"


def agreement_lines(agreement: Agreement | None) -> list[str]:
    """How well it follows the float model, a line per output."""
    if agreement is None:
        return []
    found = []
    for output in agreement.outputs:
        text = f"{output.sqnr_db:.1f} dB"
        if output.top1 is not None:
            text += f", same class on {output.top1:.1%}"
        found.append(
            f"  Against float {text} of {agreement.samples} samples"
            + (f" ({output.name})" if len(agreement.outputs) > 1 else "")
        )
    return found


def placement_lines(result: BuildResult) -> tuple[str, ...]:
    """How the operators are shared out, and why some stay on the CPU."""
    compiled, analysis = result.compiled, result.analysis
    if compiled is not None:
        shared = summary(compiled.mapped_operators, compiled.operators)
        reasons = (f"{row.count:>5}  {row.op}: {row.status}" for row in compiled.cpu_rows)
        return (shared, *reasons)
    if analysis is None:
        return ()
    return (f"{analysis.summary}, predicted", *operator_lines(analysis.cpu_operators))


def compiled_text(result: BuildResult) -> str:
    """Whether the bundle holds a compiled model, and why not."""
    compiled = result.compiled
    if compiled is None:
        return f"not compiled: {result.compile_skipped}"
    mapped, total = compiled.mapped_operators, max(compiled.operators, 1)
    rest = compiled.operators - mapped
    return (
        f"{mapped} ops ({mapped / total:.0%}), CPU {rest} ops ({rest / total:.0%}), "
        f"compiler {compiled.compiler_version}"
    )


def spec_text(spec: TensorSpec) -> str:
    """One input or output in a phrase."""
    shape = "x".join(map(str, spec.shape))
    quantized = f", scale {spec.scale:.6g}, zero point {spec.zero_point}" if spec.scale else ""
    return f"{spec.name} {spec.dtype} {shape}{quantized}"
