"""The guide's table: the four conversions of one model, by size, accuracy and agreement.

The guide is TensorFlow's post-training integer quantization,
https://www.tensorflow.org/lite/performance/post_training_integer_quant.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np

from edgeq import frontends
from edgeq.calibration import Dataset, load_dataset
from edgeq.comparison.conversions import ORDER, Conversion, convert, count_float_operators
from edgeq.comparison.measuring import Measured, measure, probability
from edgeq.comparison.rows import Comparison, Row, SampleAnswer
from edgeq.config import BuildSpec
from edgeq.loading import for_source, input_samples, read_samples, refuse_unless_it_runs
from edgeq_device.progress import Progress, silent
from edgeq_device.runtime import LoadOptions, probe
from edgeq_device.tensors import Array
from edgeq_device.tflite import parse_model
from edgeq_device.transforms import Preprocessing

__all__ = ["ORDER", "Comparison", "Row", "SampleAnswer", "compare"]


def compare(
    spec: BuildSpec, data: str, labels: tuple[str, ...] = (), *, progress: Progress = silent
) -> Comparison:
    """Convert ``spec.model`` in all four modes and measure each on the test data ``data``.

    A conversion that cannot be made from this source is a row with the reason. EdgeqError where
    the model, the calibration data or the test data cannot be used.
    """
    with frontends.open_source(spec.model, progress=progress) as source:
        spec = for_source(spec, source)
        if source.kind == "tflite":
            refuse_unless_it_runs(spec, probe(Path(spec.model)))
        calibration = read_samples(spec, source, progress)
        samples = input_samples(calibration)
        declared = tuple(
            one.preprocessing or (spec.picture_only if one.is_pixels else None) for one in samples
        )
        dataset = load_dataset(data, source.inputs, labels, declared, threads=spec.threads)
        made = []
        for number, mode in enumerate(ORDER):
            progress("convert", number, len(ORDER))
            made.append(convert(spec, source, samples, mode))
        progress("convert", len(ORDER), len(ORDER))
    options = LoadOptions(threads=spec.threads)
    measured = [
        None if one.unavailable else measure(one, dataset, declared, options, progress)
        for one in made
    ]
    pairs = list(zip(made, measured, strict=True))
    return Comparison(
        name=Path(spec.model.rpartition(":")[2]).name,
        samples=len(dataset),
        matched_by=dataset.matched_by,
        rows=tuple(row(one, found, measured[0]) for one, found in pairs),
        sample=sample_answer(pairs, dataset, declared),
        warnings=(*source.notes, *calibration.warnings, *dataset.warnings),
    )


def row(conversion: Conversion, found: Measured | None, reference: Measured | None) -> Row:
    """The figures of one conversion, compared with the float model's."""
    if found is None or reference is None:
        return Row(conversion.mode, unavailable=conversion.unavailable)
    model = parse_model(conversion.data, conversion.mode)
    same = found.evaluation.predictions == reference.evaluation.predictions
    return Row(
        mode=conversion.mode,
        engine=conversion.engine,
        bytes=len(conversion.data),
        input_types=tuple(spec.dtype for spec in model.input_specs()),
        output_types=tuple(spec.dtype for spec in model.output_specs()),
        float_operators=count_float_operators(model),
        accuracy=found.evaluation.accuracy,
        agreement=float(np.mean(same)),
        max_difference=float(np.abs(found.outputs - reference.outputs).max()),
        milliseconds=found.milliseconds,
        data=conversion.data,
    )


def sample_answer(
    pairs: list[tuple[Conversion, Measured | None]],
    dataset: Dataset,
    preprocessing: tuple[Preprocessing | None, ...],
) -> SampleAnswer | None:
    """The test picture on which the conversions differ most, rather one that float gets right."""
    done = [(one.mode, found) for one, found in pairs if found is not None]
    votes = np.stack([found.evaluation.predictions for _, found in done])
    spread = np.abs(done[-1][1].outputs - done[0][1].outputs).max(axis=1)
    differ = (votes != votes[0]).any(axis=0)
    right = votes[0] == dataset.labels
    number = int((spread + 1e6 * (2 * differ + right)).argmax())
    picture = nth_picture(dataset, number, preprocessing[0])
    if picture is None:
        return None
    answers = []
    for mode, found in done:
        scores = probability(found.outputs[number])
        best = int(scores.argmax())
        answers.append((mode, class_name(dataset, best), float(scores[best])))
    return SampleAnswer(picture, class_name(dataset, int(dataset.labels[number])), tuple(answers))


def nth_picture(dataset: Dataset, number: int, preprocessing: Preprocessing | None) -> Array | None:
    """Sample ``number`` as a picture [H, W] or [H, W, 3]; None where it is none."""
    batch, within = divmod(number, 64)
    arrays, _ = next(islice(dataset.batches(64), batch, None))
    pixels: Array = np.squeeze(arrays[0][within])
    if len(arrays) != 1 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        return None
    if pixels.dtype == np.uint8:
        return pixels
    low, high = preprocessing.value_range if preprocessing else (pixels.min(), pixels.max())
    return np.asarray((pixels - low) / max(high - low, 1e-9) * 255, np.uint8)


def class_name(dataset: Dataset, number: int) -> str:
    """The class's label, else its number."""
    names = dataset.class_names
    return names[number] if number < len(names) else str(number)
