"""Evaluate a bundle or a .tflite file on labelled data, whole data sets at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.bulk import BulkModel
from edgeq.calibration import Dataset, load_dataset
from edgeq.config import BuildSpec
from edgeq.evaluate import Evaluation, evaluate
from edgeq_device.bundle import InputInfo
from edgeq_device.errors import CalibrationError, ConfigError, ModelError
from edgeq_device.progress import Progress, silent
from edgeq_device.runner import Deployment, converter, open_deployment
from edgeq_device.runtime import LoadedModel, LoadOptions
from edgeq_device.tasks import labels_doubt, read_labels
from edgeq_device.tensors import Array


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

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            hint = "left out, it is all cores"
            raise ConfigError("--threads", self.threads, "at least 1", hint=hint)


@dataclass(frozen=True)
class Verdict:
    """The evaluation, and what it was made of."""

    evaluation: Evaluation
    labels: tuple[str, ...]
    about: dict[str, Any]
    warnings: tuple[str, ...]


def judge(spec: JudgeSpec, *, progress: Progress = silent) -> Verdict:
    """Evaluate; EdgeqError where the model or the data cannot be used."""
    with open_deployment(spec.model, runtime=spec.runtime) as model:
        inputs = declared_inputs(model, spec)
        labels = read_labels(spec.labels) if spec.labels else model.labels
        options = LoadOptions(threads=spec.threads, runtime=spec.runtime)
        bulk = BulkModel(bytes(model.model("cpu")), str(spec.model), options)
        predictor = _Predictor(bulk, inputs)
    dataset = load_dataset(
        spec.data,
        tuple(info.spec for info in inputs),
        labels,
        tuple(info.preprocessing for info in inputs),
        threads=spec.threads,
    )
    check_classes(dataset, spec, predictor.classes)
    bulk.expect(len(dataset))
    found = evaluate(
        predictor,
        dataset.batches(predictor.model.batch_size),
        top_k=spec.top_k,
        total=len(dataset),
        name=spec.data,
        progress=progress,
    )
    given = len(labels) if spec.labels else 0
    doubt = labels_doubt(given, len(found.confusion))
    return Verdict(
        found,
        dataset.class_names,
        about=circumstances(spec, dataset, bulk.single),
        warnings=tuple(filter(None, (*dataset.warnings, doubt))),
    )


def circumstances(spec: JudgeSpec, dataset: Dataset, model: LoadedModel) -> dict[str, Any]:
    """What was evaluated on what, and what ran it."""
    return {
        "model": str(spec.model),
        "data": spec.data,
        "labels_matched_by": dataset.matched_by,
        "backend": "cpu",
        "runtime": {"name": model.runtime.name, "version": model.runtime.version},
        "threads": model.threads,
    }


def check_classes(dataset: Dataset, spec: JudgeSpec, classes: int) -> None:
    """CalibrationError where folders go by their order, but are not as many as the classes."""
    folders = len(dataset.class_names)
    if dataset.matched_by == "sorted order" and folders != classes:
        raise CalibrationError(
            spec.data,
            f"{folders} class folders, but the model has {classes} classes and no labels to find "
            "them by",
            hint="give the labels with --labels, each folder named as its label",
        )


def declared_inputs(model: Deployment, spec: JudgeSpec) -> tuple[InputInfo, ...]:
    """How the inputs are fed: as the bundle says, or for a bare .tflite as the options say."""
    if not spec.preprocess:
        return model.inputs
    asked = BuildSpec(model=str(spec.model), preprocess=spec.preprocess)
    asked = asked.for_inputs([(info.spec.name,) for info in model.inputs])
    inputs = []
    for info in model.inputs:
        declared = asked.preprocessing_of(info.spec.name)
        if declared is None:
            inputs.append(info)
        else:
            applied = "model" if info.spec.dtype == "uint8" else "device"
            inputs.append(InputInfo(info.spec, declared, applied))
    return tuple(inputs)


class _Predictor:
    """Feeds raw test data to the model; scores stay in the model's own numbers."""

    def __init__(self, model: BulkModel, inputs: tuple[InputInfo, ...]) -> None:
        self.model = model
        self.converters = tuple(converter(info) for info in inputs)
        outputs = model.single.outputs
        if len(outputs) != 1 or len(outputs[0].shape) != 2:
            raise ModelError(
                model.single.name,
                f"has outputs {[list(output.shape) for output in outputs]}, but accuracy needs "
                "one of class scores, [1, classes]",
                hint="evaluate a classifier",
            )

    @property
    def classes(self) -> int:
        """How many classes the model tells apart."""
        return self.model.single.outputs[0].shape[1]

    def predict(self, arrays: tuple[Array, ...]) -> Array:
        """Raw inputs, each [N, ...] -> scores [N, classes]."""
        ready = tuple(convert(raw) for convert, raw in zip(self.converters, arrays, strict=True))
        return self.model.run(ready)[0]
