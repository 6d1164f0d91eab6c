"""Run a conversion over the test data: class scores, accuracy, time per inference."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from edgeq.bulk import BulkModel
from edgeq.calibration import Dataset
from edgeq.comparison.conversions import Conversion
from edgeq.evaluate import Evaluation, evaluate
from edgeq.quantize import InputPlan, InputSamples
from edgeq_device.progress import Progress
from edgeq_device.runtime import LoadedModel, LoadOptions, load
from edgeq_device.tensors import Array
from edgeq_device.transforms import Preprocessing, softmax

TIMED = 50
"""Inferences that are timed one by one, after five to warm up."""


@dataclass(frozen=True)
class Measured:
    """What a conversion said of every test sample, dequantized [N, classes], and how fast."""

    evaluation: Evaluation
    outputs: Array
    milliseconds: float


class Predictor:
    """Feeds raw test data (pixels or values) to one conversion and keeps what it says."""

    def __init__(
        self,
        conversion: Conversion,
        preprocessing: tuple[Preprocessing | None, ...],
        options: LoadOptions,
    ) -> None:
        self.model = BulkModel(conversion.data, conversion.mode, options)
        self.plans = conversion.plans
        self.preprocessing = preprocessing
        self.outputs: list[Array] = []

    def predict(self, arrays: tuple[Array, ...]) -> Array:
        """Raw inputs, each [N, ...] -> dequantized scores [N, classes]."""
        scores = self.model.run(self.prepared(arrays))[0]
        real = self.model.single.outputs[0].dequantize(scores)
        self.outputs.append(real.reshape(len(real), -1))
        return self.outputs[-1]

    def prepared(self, arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        """The arrays as the model's inputs take them, all samples at once."""
        return tuple(
            feed(raw, plan, declared, self.model.single, place)
            for place, (raw, plan, declared) in enumerate(
                zip(arrays, self.plans, self.preprocessing, strict=True)
            )
        )


def feed(
    raw: Array,
    plan: InputPlan,
    declared: Preprocessing | None,
    model: LoadedModel,
    place: int,
) -> Array:
    """Raw pixels or values [N, ...] in the form of input ``place`` of ``model``."""
    spec = model.inputs[place]
    pixels = raw.dtype == np.uint8 and (spec.is_quantized or spec.dtype == "float32")
    whole = InputSamples(raw[None], pixels, raw.shape, declared)
    if spec.is_quantized:
        return whole.integer_value(0, plan, spec)
    return np.asarray(whole.value(0), spec.dtype)


def measure(
    conversion: Conversion,
    dataset: Dataset,
    preprocessing: tuple[Preprocessing | None, ...],
    options: LoadOptions,
    progress: Progress,
) -> Measured:
    """Predict the whole data set, and time single inferences."""
    predictor = Predictor(conversion, preprocessing, options)
    predictor.model.expect(len(dataset))
    found = evaluate(
        predictor,
        dataset.batches(predictor.model.batch_size),
        total=len(dataset),
        name=dataset.source,
        progress=progress,
    )
    arrays, _ = next(iter(dataset.batches(1)))
    single = tuple(
        array.reshape(spec.shape)
        for array, spec in zip(
            predictor.prepared(arrays), predictor.model.single.inputs, strict=True
        )
    )
    outputs = np.concatenate(predictor.outputs)
    # Two threads wake each other for longer than a small network computes.
    alone = load(
        conversion.data,
        name=conversion.mode,
        options=replace(options, threads=options.threads or 1),
    )
    return Measured(found, outputs, time_single(alone, single))


def time_single(model: LoadedModel, inputs: tuple[Array, ...]) -> float:
    """Median wall milliseconds of one inference."""
    for _ in range(5):
        model.run(*inputs)
    times = []
    for _ in range(TIMED):
        started = time.perf_counter()
        model.run(*inputs)
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times))


def probability(scores: Array) -> Array:
    """Scores [classes] as probabilities: softmax unless they are some already."""
    is_distribution = bool(scores.min() >= 0 and abs(float(scores.sum()) - 1) < 0.05)
    return scores if is_distribution else softmax(scores)
