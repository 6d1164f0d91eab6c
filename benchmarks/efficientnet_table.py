"""EfficientNet-Lite0 in every conversion, against its float model: the page in ``docs/``.

``python -m benchmarks.efficientnet_table OUT > docs/efficientnet-lite0.md``

``OUT`` is a folder that ``benchmarks/run-all`` has filled (the network, the photos, the guide's
model); the conversions are made there anew by ``edgeq build``. A quarter of an hour on two cores.
"""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.agreement import Agreement, Model, agreement, read_pixels
from benchmarks.networks.efficientnet_lite0 import INPUT_MEAN, INPUT_STD
from benchmarks.networks.photos import media_folder
from benchmarks.results import machine

fill = partial(textwrap.fill, width=100, break_on_hyphens=False, break_long_words=False)

KNOWN = {
    "bird.bmp": "chickadee",
    "cat.bmp": "Egyptian cat",
    "dragonfly.bmp": "dragonfly",
    "grace_hopper.bmp": "military uniform",
    "hot_dog.jpg": "hotdog",
    "kite_and_cold.jpg": "seashore",
    "missvickie_potato_chips.bmp": "packet",
    "parrot.jpg": "macaw",
}
"""A word of the label that each photo should get."""

CONVERSIONS = {
    "float": ("--mode", "float"),
    "dynamic": ("--mode", "dynamic"),
    "float-fallback": ("--mode", "float-fallback"),
    "integer, litert": (),
    "integer, tflite-converter": ("--engine", "tflite-converter"),
}
"""The options of ``edgeq build`` for each row."""


@dataclass(frozen=True)
class Row:
    """What one conversion is and does; ``labels`` are those of the known photos."""

    name: str
    bytes: int
    ends: str
    against_float: Agreement
    labels: tuple[str, ...]
    right: int
    milliseconds: tuple[float, float]
    """Of one inference, with one thread and with two."""


@dataclass(frozen=True)
class Photos:
    """Pixels of the test crops and of the known photos, and the float model's answers."""

    crops: list[Any]
    known: list[Any]
    reference: Any
    names: tuple[str, ...]


def convert(folder: Path) -> dict[str, Path]:
    """Every conversion from the Keras model, by ``edgeq build``, and the guide's own."""
    made = {}
    for name, options in CONVERSIONS.items():
        path = folder / f"table_{name.replace(', ', '_')}.tflite"
        command = [
            *(sys.executable, "-m", "edgeq", "build", folder / "efficientnet_lite0.keras"),
            *("--calibration", folder / "calibration", "--samples", "100", "--force"),
            *("--preprocess", f"mean={INPUT_MEAN:g},std={INPUT_STD:g}", *options),
            *("-o", path.with_suffix(".edgeq"), "--save-model", path, "-q"),
        ]
        subprocess.run([str(word) for word in command], check=True, stdout=sys.stderr)
        made[name] = path
    return {**made, "the guide's script": folder / "efficientnet_lite0_guide.tflite"}


def measure(name: str, path: Path, photos: Photos) -> Row:
    """Run one conversion on all photos, fed as its inputs ask for."""
    model = Model(path)
    raw = name.startswith("integer")
    feed = model.of_raw if raw else lambda pixels: model.of_values(_values(pixels))
    outputs = np.stack([feed(pixels) for pixels in photos.crops])
    best = [int(feed(pixels).argmax()) for pixels in photos.known]
    labels = tuple(photos.names[number] for number in best)
    right = sum(word in label for word, label in zip(KNOWN.values(), labels))
    times = tuple(_milliseconds(Model(path, threads), photos.crops[0]) for threads in (1, 2))
    return Row(
        name,
        path.stat().st_size,
        f"{model.input_type} / {model.output_type}",
        agreement(photos.reference, outputs),
        labels,
        right,
        (times[0], times[1]),
    )


def _values(pixels: Any) -> Any:
    return (pixels.astype(np.float32) - np.float32(INPUT_MEAN)) / np.float32(INPUT_STD)


def _milliseconds(model: Model, pixels: Any) -> float:
    """Median wall time of one inference."""
    values = _values(pixels) if model.input_type == "float32" else pixels
    times = []
    for _ in range(60):
        started = time.perf_counter()
        model.of_raw(values)
        times.append(time.perf_counter() - started)
    return 1000 * median(times[10:])


def read_photos(folder: Path) -> Photos:
    """The crops, the known photos, and what the float model says of the crops."""
    reference = Model(folder / "efficientnet_lite0.tflite")
    media = media_folder()
    crops = read_pixels(sorted((folder / "test").iterdir()), reference.size)
    known = read_pixels([media / name for name in KNOWN], reference.size)
    # The label file begins with "background", which these 1000 classes lack.
    names = tuple((media / "imagenet_labels.txt").read_text("utf-8").splitlines()[1:])
    answers = np.stack([reference.of_values(_values(pixels)) for pixels in crops])
    return Photos(crops, known, answers, names)


def page(rows: list[Row], crops: int) -> str:
    """The whole page in Markdown."""
    return "\n\n".join(
        [
            "# EfficientNet-Lite0, a real network",
            fill(
                "EfficientNet-Lite0 with its ImageNet weights, rebuilt in Keras "
                "(`benchmarks/networks/efficientnet_lite0.py`), quantized on 100 crops of eight "
                f"photos and compared with the float model on {crops} crops of eight other photos. "
                "No labels belong to the crops, so this is agreement, not accuracy: the share of "
                "crops that get the float model's first class of 1000, and the signal-to-noise "
                "ratio of the logits. Two crops in a hundred more or less are chance."
            ),
            figures_table(rows),
            fill(
                "Raw pixels go into the integer models of `edgeq build`, whose preprocessing is "
                "folded into the scale and zero point of the input. The guide's script quantizes "
                "values; its dense layer has a scale per row, which runtimes of the Edge TPU "
                "compiler's age misread."
            ),
            "What they call eight whole photos:",
            labels_table(rows),
            fill(f"Measured on {machine()}"),
            "Made by `benchmarks/run-all OUT` and then\n"
            "`python -m benchmarks.efficientnet_table OUT > docs/efficientnet-lite0.md`.",
        ]
    )


def figures_table(rows: list[Row]) -> str:
    """Size, closeness and speed."""
    lines = [
        "| | bytes | input / output | class as float | SQNR | known photos | ms, 1 thread | 2 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        close = row.against_float
        noise = "the same" if math.isinf(close.sqnr_db) else f"{close.sqnr_db:.2f} dB"
        one, two = row.milliseconds
        lines.append(
            f"| {row.name} | {row.bytes:,} | {row.ends} | {close.share:.1%} | {noise} "
            f"| {row.right} of {len(row.labels)} | {one:.1f} | {two:.1f} |"
        )
    return "\n".join(lines)


def labels_table(rows: list[Row]) -> str:
    """What each conversion calls the known photos."""
    lines = [
        "| | " + " | ".join(f"`{Path(name).stem}`" for name in KNOWN) + " |",
        "|---" * (len(KNOWN) + 1) + "|",
    ]
    lines += [f"| {row.name} | " + " | ".join(map(_first, row.labels)) + " |" for row in rows]
    return "\n".join(lines)


def _first(label: str) -> str:
    return label.split(",")[0]


def main() -> None:
    """Prints the page for the folder of the command line."""
    folder = Path(sys.argv[1])
    photos = read_photos(folder)
    rows = [measure(name, path, photos) for name, path in convert(folder).items()]
    print(page(rows, len(photos.crops)))


if __name__ == "__main__":
    main()
