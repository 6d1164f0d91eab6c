"""Run models in TensorFlow 2.5.3 and compare the answers with those of today's runtime."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.networks.photos import TEST_PHOTOS
from numpy.typing import NDArray
from PIL import Image

from edgeq_device.runtime import LoadOptions, load
from tests.conftest import ROOT

Sample = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Case:
    """A model for the old runtime and the samples to run it on.

    The answers are compared with those of today's runtime for ``reference``, by default the same
    model; ``plain`` takes them from its plain kernels instead of XNNPACK's.
    """

    name: str
    data: bytes
    samples: Sequence[Sample] = ()
    reference: bytes = b""
    plain: bool = False


def run_old(python: Path, folder: Path, *cases: Case) -> dict[str, dict[str, Any]]:
    """Run all cases in one process of the old runtime; its findings by the cases' names."""
    arguments: list[str] = []
    for case in cases:
        path = folder / f"{case.name}.tflite"
        path.write_bytes(case.data)
        arguments += [str(path), write_cases(folder, case)]
    ended = subprocess.run(
        [python, ROOT / "scripts" / "old_runtime_check.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    document = json.loads(ended.stdout)
    assert document["tensorflow"] == "2.5.3"
    return {Path(found["model"]).stem: found for found in document["models"]}


def write_cases(folder: Path, case: Case) -> str:
    """Save the samples with the answers of today's runtime; "-" where there are none."""
    if not case.samples:
        return "-"
    options = LoadOptions(preserve_all=case.plain)
    runner = load(case.reference or case.data, name=case.name, options=options)
    answers = [runner.run(*sample) for sample in case.samples]
    arrays = {}
    for kind, rows in (("input", case.samples), ("output", answers)):
        for place in range(len(rows[0])):
            arrays[f"{kind}_{place}"] = np.stack([row[place] for row in rows])
    path = folder / f"{case.name}.npz"
    np.savez(path, **arrays)
    return str(path)


def photo_samples(coral: Path, data: bytes, count: int = 8) -> list[Sample]:
    """Real photos in the shape of each uint8 input, a different one per input and sample."""
    specs = load(data, name="model").inputs
    samples = []
    for number in range(count):
        sample = []
        for place, spec in enumerate(specs):
            photo = TEST_PHOTOS[(number + place) % len(TEST_PHOTOS)]
            height, width = spec.shape[1:3] if len(spec.shape) > 2 else (1, spec.shape[-1])
            channels = spec.shape[3] if len(spec.shape) == 4 else 1
            with Image.open(coral / "media" / photo) as opened:
                pixels = np.asarray(opened.convert("RGB").resize((width, height)))
            sample.append(np.ascontiguousarray(pixels[..., :channels]).reshape(spec.shape))
        samples.append(sample)
    return samples
