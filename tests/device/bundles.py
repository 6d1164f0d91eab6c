"""Builds bundles for tests with the device package alone, sound ones and hostile ones."""

from __future__ import annotations

import hashlib
import io
import platform
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeq_device import runtime
from edgeq_device.bundle import (
    CompiledModel,
    Golden,
    InputInfo,
    Manifest,
    Member,
    Models,
    RuntimeInfo,
)
from edgeq_device.bundle.layout import MANIFEST, Entry, lay_out
from edgeq_device.tflite import parse_model
from edgeq_device.transforms import Preprocessing
from tests.device.factories import conv_classifier

PIXELS = Preprocessing((0.0,), (255.0,))


@dataclass(frozen=True)
class Recipe:
    """What to put into a bundle; ``samples`` 0 leaves the golden vectors out."""

    model: bytes = field(default_factory=conv_classifier)
    compiled: bytes | None = None
    preprocessing: Preprocessing | None = PIXELS
    applied: str = "model"
    task: str = "classify"
    activation: str = "none"
    labels: tuple[str, ...] = ("ant", "bee", "cat", "dog", "eel")
    samples: int = 2
    tolerance: int = 3
    made_by: RuntimeInfo | None = None
    outputs: tuple[Any, ...] | None = None
    """Golden outputs; None: what the model gives here."""


def member(path: str, data: bytes) -> Member:
    return Member(path, len(data), hashlib.sha256(data).hexdigest())


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(array), version=(1, 0))
    return file.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    """The files in the bundle's own layout."""
    layout = lay_out([Entry(name, len(data), zlib.crc32(data)) for name, data in files.items()])
    pieces = [piece for pair in zip(layout.headers, files.values()) for piece in pair]
    return b"".join([*pieces, layout.ending])


def bundle_files(recipe: Recipe) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest, and all other files by name in the manifest's order."""
    files: dict[str, bytes] = {}

    def add(path: str, data: bytes) -> Member:
        files[path] = data
        return member(path, data)

    parsed = parse_model(recipe.model, "model")
    compiled = None
    if recipe.compiled is not None:
        compiled = CompiledModel(add("models/edgetpu.tflite", recipe.compiled), "16.0", 14)
    infos = tuple(
        InputInfo(spec, recipe.preprocessing, recipe.applied) for spec in parsed.input_specs()
    )
    manifest = Manifest(
        name="tiny",
        edgeq_version="0.1.0",
        models=Models(add("models/cpu.tflite", recipe.model), compiled),
        inputs=infos,
        outputs=parsed.output_specs(),
        task=recipe.task,
        activation=recipe.activation,
        labels=add("labels.txt", ("\n".join(recipe.labels) + "\n").encode())
        if recipe.labels
        else None,
        no_golden_reason="" if recipe.samples else "left out",
        provenance={"options": {"seed": 0}},
    )
    if recipe.samples:
        manifest = replace(manifest, golden=golden(recipe, manifest, add))
    return manifest, {each.path: files[each.path] for each in manifest.members}


def golden(recipe: Recipe, manifest: Manifest, add: Any) -> Golden:
    loaded = runtime.load(recipe.model, name="tiny")
    random = np.random.RandomState(3)
    rows = [[_sample(random, info.spec) for info in manifest.inputs] for _ in range(recipe.samples)]
    outputs = recipe.outputs or tuple(
        np.stack(each) for each in zip(*(loaded.run(*row) for row in rows))
    )
    inputs = [np.stack(each) for each in zip(*rows)]
    made_by = RuntimeInfo(loaded.runtime.name, loaded.runtime.version, platform.machine())
    return Golden(
        tuple(add(f"golden/input_{i}.npy", npy(each)) for i, each in enumerate(inputs)),
        tuple(add(f"golden/output_{i}.npy", npy(each)) for i, each in enumerate(outputs)),
        recipe.samples,
        recipe.made_by or made_by,
        recipe.tolerance,
    )


def _sample(random: Any, spec: Any) -> Any:
    if spec.dtype == "float32":
        return random.random_sample(spec.shape).astype(np.float32)
    return random.randint(0, 256, spec.shape).astype(np.uint8).astype(spec.dtype)


def bundle_bytes(recipe: Recipe | None = None) -> bytes:
    manifest, files = bundle_files(recipe or Recipe())
    return zipped({MANIFEST: manifest.to_json(), **files})


def write_bundle(path: Path, recipe: Recipe | None = None) -> Path:
    path.write_bytes(bundle_bytes(recipe))
    return path


def plain_zip(entries: list[tuple[zipfile.ZipInfo | str, bytes]], compression: int = 0) -> bytes:
    """A zip as Python's zipfile writes it, with any names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()
