"""Reports as plain text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeq_device.bench import BenchReport
    from edgeq_device.bundle import Bundle, InputInfo, Manifest
    from edgeq_device.runner import VerifyReport
    from edgeq_device.tensors import TensorSpec
    from edgeq_device.tflite import Model

_KEY = 14
"""Width of the column with the names of things: "engine reason" is the longest."""


def bench_page(report: BenchReport) -> str:
    """A table of milliseconds: a row per phase."""
    from edgeq_device.bench import PHASES

    columns = ("min", "mean", "p50", "p90", "p99", "max")
    lines = [
        f"{report.model}: {report.runs} inferences after {report.warmup} of warm-up,"
        f" on {report.data}",
        "milliseconds" + "".join(f"{name:>10}" for name in columns),
    ]
    for name, spread in zip(PHASES, report.phases):
        numbers = spread.as_dict()
        lines.append(f"{name:<12}" + "".join(f"{numbers[each]:>10.3f}" for each in columns))
    return "\n".join([*lines, f"{report.per_second:.1f} inferences per second"])


def info_page(bundle: Bundle, size: int) -> str:
    """A bundle's manifest, readable."""
    manifest = bundle.manifest
    rows = [
        ("name", manifest.name),
        ("made by", f"edgeq {manifest.edgeq_version} (bundle format {manifest.format})"),
        *_model_rows(manifest),
        *(("input", _input(info)) for info in manifest.inputs),
        *(("output", _spec(spec)) for spec in manifest.outputs),
        ("task", _task(manifest)),
        ("labels", _labels(bundle.labels)),
        ("golden", _golden(manifest)),
        *(("note", note) for note in manifest.notes),
        *_provenance(manifest.provenance),
    ]
    return _page(f"{bundle.path}  {size:,} bytes", rows)


def model_page(model: Model) -> str:
    """The little that a .tflite says of itself."""
    kind = "compiled for the Edge TPU" if model.is_compiled else "not compiled"
    rows = [
        ("model", f"{kind}, {len(model.main.operators)} operators"),
        *(("input", _spec(spec)) for spec in model.input_specs()),
        *(("output", _spec(spec)) for spec in model.output_specs()),
    ]
    return _page(f"{model.name}  {len(model.data):,} bytes", rows)


def model_document(model: Model) -> dict[str, Any]:
    """The same for machines."""
    from edgeq_device.bundle.records import spec_as_dict

    return {
        "compiled": model.is_compiled,
        "operators": [operator.label for operator in model.main.operators],
        "inputs": [spec_as_dict(spec) for spec in model.input_specs()],
        "outputs": [spec_as_dict(spec) for spec in model.output_specs()],
    }


def verify_page(path: str, report: VerifyReport) -> str:
    """What was checked, and how the golden vectors came out."""
    lines = [f"{path}: {len(report.members)} files match their SHA-256"]
    if report.made_by is None or report.ran_on is None:
        return "\n".join([*lines, f"golden vectors: none ({report.no_golden_reason})"])
    made_by, ran_on = report.made_by, report.ran_on
    wanted = "bit for bit" if report.exact_wanted else "within tolerance"
    lines.append(
        f"golden vectors: {report.samples} samples come out {wanted}"
        f" (made by {made_by.name} {made_by.version} on {made_by.machine},"
        f" run by {ran_on.name} {ran_on.version} on {ran_on.machine})"
    )
    for match in report.outputs:
        how = "equal"
        if not match.equal:
            how = f"at most {match.difference:.3g} {match.unit} apart, cosine {match.cosine:.4f}"
        lines.append(f"  {match.name}: {how}")
    return "\n".join(lines)


def _page(title: str, rows: list[tuple[str, str]]) -> str:
    return "\n".join([title, *(f"  {key:<{_KEY}}{value}" for key, value in rows)])


def _model_rows(manifest: Manifest) -> list[tuple[str, str]]:
    cpu, edgetpu = manifest.models.cpu, manifest.models.edgetpu
    rows = [("cpu model", f"{cpu.bytes:,} bytes  sha256 {cpu.sha256[:16]}…")]
    if edgetpu is None:
        return [*rows, ("edgetpu", "no compiled model")]
    size = f"{edgetpu.member.bytes:,} bytes  sha256 {edgetpu.member.sha256[:16]}…"
    least = edgetpu.min_runtime_version
    needs = f", needs runtime {least}" if least is not None else ""
    return [*rows, ("edgetpu", f"{size}  compiler {edgetpu.compiler_version}{needs}")]


def _spec(spec: TensorSpec) -> str:
    text = f"{spec.name}  {spec.dtype} {list(spec.shape)}"
    if spec.is_quantized:
        text += f"  scale {spec.scale:.6g}, zero point {spec.zero_point}"
    return text


def _input(info: InputInfo) -> str:
    declared = info.preprocessing
    if declared is None:
        return _spec(info.spec)
    mean, std = (_numbers(values) for values in (declared.mean, declared.std))
    sums = "pixels as they are" if declared.is_identity else f"(pixel - {mean}) / {std}"
    who = "" if declared.is_identity else f", done by the {info.applied}"
    reading = f"{declared.resize}, {declared.resample}, {declared.color}"
    return f"{_spec(info.spec)}\n{'':<{_KEY + 2}}{sums}{who}; pictures: {reading}"


def _numbers(values: tuple[float, ...]) -> str:
    texts = [f"{value:g}" for value in values]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _task(manifest: Manifest) -> str:
    activation = manifest.activation
    return manifest.task if activation == "none" else f"{manifest.task}, after {activation}"


def _labels(labels: tuple[str, ...]) -> str:
    if not labels:
        return "none"
    shown = ", ".join(labels[:3]) + (", …" if len(labels) > 3 else "")
    return f"{len(labels)}: {shown}"


def _golden(manifest: Manifest) -> str:
    golden = manifest.golden
    if golden is None:
        return f"none: {manifest.no_golden_reason}"
    runtime = golden.runtime
    made_by = f"{runtime.name} {runtime.version} on {runtime.machine}"
    return f"{golden.samples} samples, by {made_by}"


def _provenance(plain: dict[str, Any]) -> list[tuple[str, str]]:
    """The provenance's own keys, each on a line; what is empty is left out."""
    rows = []
    for key, value in plain.items():
        if isinstance(value, dict):
            parts = [f"{name} {each}" for name, each in value.items() if each not in (None, "", [])]
            value = ", ".join(parts)
        if value not in (None, "", []):
            rows.append((key.replace("_", " "), str(value)))
    return rows
