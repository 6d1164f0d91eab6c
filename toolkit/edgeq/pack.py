"""Parts -> a bundle: the same parts give the same bytes, and the device's own reader judges them.

The file is written beside its target, synced, re-opened by `edgeq_device.bundle`, and only then
renamed: at no moment does a half-written bundle stand under the target's name.
"""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeq_device import __version__
from edgeq_device.bundle import (
    CompiledModel,
    Golden,
    InputInfo,
    Manifest,
    Member,
    Models,
    RuntimeInfo,
    open_bundle,
)
from edgeq_device.bundle.layout import MANIFEST, MAX_BYTES, Entry, lay_out
from edgeq_device.errors import ConfigError, OutputError
from edgeq_device.files import check_output, replacing
from edgeq_device.tensors import Array, TensorSpec

CPU_MODEL = "models/cpu.tflite"
EDGETPU_MODEL = "models/edgetpu.tflite"
LABELS = "labels.txt"


@dataclass(frozen=True)
class CompiledPart:
    """The compiled model's bytes, and what the compiler said of itself."""

    data: bytes
    compiler_version: str
    min_runtime_version: int | None = None


@dataclass(frozen=True)
class GoldenPart:
    """Golden vectors: one array per input and per output, each ``[samples, *shape]``."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    runtime: RuntimeInfo
    tolerance: int


@dataclass(frozen=True)
class BundleParts:
    """Everything that goes into a bundle; `no_golden_reason` is needed where there is no golden."""

    name: str
    cpu_model: bytes
    inputs: tuple[InputInfo, ...]
    outputs: tuple[TensorSpec, ...]
    task: str = "raw"
    activation: str = "none"
    compiled: CompiledPart | None = None
    labels: tuple[str, ...] = ()
    golden: GoldenPart | None = None
    no_golden_reason: str = ""
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PackReport:
    """The bundle that was written: where, how long, its SHA-256, and what it says of itself."""

    path: Path
    bytes: int
    sha256: str
    manifest: Manifest


def pack(parts: BundleParts, output: Path, *, force: bool = False) -> PackReport:
    """Write the bundle ``output``, verified by the device's reader before it takes that name.

    ConfigError where ``output`` exists and ``force`` is not given; OutputError where it cannot
    be written (then nothing is left behind); BundleError where the parts do not make a bundle
    that the reader accepts.
    """
    check_output(output, "--output", force=force)
    manifest, members = _members(parts)
    files = {MANIFEST: manifest.to_json(), **members}
    digest = hashlib.sha256()
    with replacing(output) as (file, temporary):
        for piece in _pieces(files, output):
            file.write(piece)
            digest.update(piece)
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
        with open_bundle(temporary) as bundle:
            bundle.verify_digests()
            bundle.golden()
    return PackReport(output, size, digest.hexdigest(), manifest)


def _members(parts: BundleParts) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest, and the bytes of every other member in the manifest's order."""
    files: dict[str, bytes] = {}

    def add(path: str, data: bytes) -> Member:
        files[path] = data
        return Member(path, len(data), hashlib.sha256(data).hexdigest())

    edgetpu, golden = None, None
    if parts.compiled:
        member = add(EDGETPU_MODEL, parts.compiled.data)
        edgetpu = CompiledModel(
            member, parts.compiled.compiler_version, parts.compiled.min_runtime_version
        )
    if parts.golden:
        golden = Golden(
            inputs=tuple(add(*item) for item in _arrays("input", parts.golden.inputs)),
            outputs=tuple(add(*item) for item in _arrays("output", parts.golden.outputs)),
            samples=len(parts.golden.inputs[0]),
            runtime=parts.golden.runtime,
            tolerance=parts.golden.tolerance,
        )
    manifest = Manifest(
        name=parts.name,
        edgeq_version=__version__,
        models=Models(add(CPU_MODEL, parts.cpu_model), edgetpu),
        inputs=parts.inputs,
        outputs=parts.outputs,
        task=parts.task,
        activation=parts.activation,
        labels=add(LABELS, _label_text(parts.labels)) if parts.labels else None,
        golden=golden,
        no_golden_reason=parts.no_golden_reason,
        notes=parts.notes,
        provenance=parts.provenance,
    )
    return manifest, {member.path: files[member.path] for member in manifest.members}


def _label_text(labels: Sequence[str]) -> bytes:
    for label in labels:
        if "\n" in label or "\r" in label:
            raise ConfigError("--labels", label, "one line each")
    return ("\n".join(labels) + "\n").encode("utf-8")


def _arrays(kind: str, arrays: Sequence[Array]) -> Iterator[tuple[str, bytes]]:
    for index, array in enumerate(arrays):
        file = io.BytesIO()
        plain = np.ascontiguousarray(array)
        np.lib.format.write_array(file, plain, version=(1, 0))  # type: ignore[no-untyped-call]
        yield f"golden/{kind}_{index}.npy", file.getvalue()


def _pieces(files: dict[str, bytes], output: Path) -> Iterator[bytes]:
    layout = lay_out([Entry(name, len(data), zlib.crc32(data)) for name, data in files.items()])
    if layout.total > MAX_BYTES:
        problem = f"would have {layout.total} bytes, and a bundle has at most {MAX_BYTES}"
        raise OutputError(output, problem, hint="use a smaller model")
    for header, data in zip(layout.headers, files.values(), strict=True):
        yield header
        yield data
    yield layout.ending
