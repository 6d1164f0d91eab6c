"""Evaluate a bundle or a .tflite file on labelled data, whole data sets at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.bulk import BulkModel
from edgeq.calibration import load_dataset
from edgeq.config import BuildSpec
from edgeq.evaluate import Evaluation, evaluate
from edgeq_device import runtime
from edgeq_device.bundle import InputInfo, looks_like_bundle, open_bundle
from edgeq_device.errors import ModelError
from edgeq_device.progress import Progress, silent
from edgeq_device.runner import to_input
from edgeq_device.tasks import read_labels
from edgeq_device.tensors import Array
from edgeq_device.tflite import read_model

BATCH = 2048
"""Samples that are read, converted and predicted at once."""


@dataclass(frozen=True)
class JudgeSpec:
    """What to evaluate on what."""

    model: Path
    data: str
    labels: Path | None = None
    preprocess: tuple[str, ...] = ()
    """For a bare .tflite; a bundle knows its own."""
    top_k: int = 5
    threads: int | None = None
    runtime: str | None = None


@dataclass(frozen=True)
class Judged:
    """A model on the CPU, and how it is fed."""

    data: bytes
    inputs: tuple[InputInfo, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """The evaluation, and what it was made of."""

    evaluation: Evaluation
    labels: tuple[str, ...]
    about: dict[str, Any]
    notes: tuple[str, ...]


def judge(spec: JudgeSpec, *, progress: Progress = silent) -> Verdict:
    """Evaluate; EdgeqError where the model or the data cannot be used."""
    model = open_judged(spec)
    labels = read_labels(spec.labels) if spec.labels else model.labels
    declared = tuple(info.preprocessing for info in model.inputs)
    specs = tuple(info.spec for info in model.inputs)
    dataset = load_dataset(spec.data, specs, labels, declared, threads=spec.threads)
    options = runtime.LoadOptions(threads=spec.threads, runtime=spec.runtime)
    predictor = _Predictor(BulkModel(model.data, str(spec.model), options), model.inputs)
    classes = predictor.model.single.outputs[0].shape
    if len(predictor.model.single.outputs) != 1 or len(classes) != 2:
        raise ModelError(
            spec.model,
            f"has outputs {[list(one.shape) for one in predictor.model.single.outputs]}, "
            "but accuracy needs one of class scores, [1, classes]",
            hint="evaluate a classifier",
        )
    found = evaluate(
        predictor,
        dataset.batches(BATCH),
        top_k=spec.top_k,
        total=len(dataset),
        progress=progress,
    )
    used = predictor.model.single.runtime
    return Verdict(
        found,
        dataset.class_names,
        about={
            "model": str(spec.model),
            "data": spec.data,
            "labels_matched_by": dataset.matched_by,
            "backend": "cpu",
            "runtime": {"name": used.name, "version": used.version},
            "threads": predictor.model.single.threads,
        },
        notes=(*dataset.warnings, f"labels matched by {dataset.matched_by}"),
    )


def open_judged(spec: JudgeSpec) -> Judged:
    """The CPU model of a bundle, or a .tflite that has survived a first run in a child."""
    if looks_like_bundle(spec.model):
        with open_bundle(spec.model) as bundle:
            return Judged(bytes(bundle.model("cpu")), bundle.manifest.inputs, bundle.labels)
    model = read_model(spec.model)
    probe = runtime.probe(spec.model)
    if not probe.runs:
        raise ModelError(spec.model, f"cannot run on a CPU: {probe.reason}")
    asked = BuildSpec(model=str(spec.model), preprocess=spec.preprocess)
    inputs = []
    for tensor in model.input_specs():
        declared = asked.preprocessing_of(tensor.name)
        in_model = tensor.dtype == "uint8"
        applied = "none declared" if declared is None else "model" if in_model else "device"
        inputs.append(InputInfo(tensor, declared, applied))
    return Judged(bytes(model.data), tuple(inputs), ())


class _Predictor:
    def __init__(self, model: BulkModel, inputs: tuple[InputInfo, ...]) -> None:
        self.model = model
        self.inputs = inputs

    def predict(self, arrays: tuple[Array, ...]) -> Array:
        """Raw inputs, each [N, ...] -> scores [N, classes], as the model gives them."""
        ready = tuple(to_input(raw, info) for raw, info in zip(arrays, self.inputs, strict=True))
        scores = self.model.run(ready)[0]
        return scores.reshape(len(scores), -1)
