"""How close integer models come to their float model, on pictures that none was calibrated on.

``python -m benchmarks.agreement FLOAT.tflite PICTURES --mean M --std S --raw A.tflite --values B``

``--raw`` models take the uint8 pixels as they are, as edgeq's do; ``--values`` models take the
preprocessed values, quantized with the input's own scale and zero point, as the guide's do.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Agreement:
    """Share of pictures with the float model's first class, and signal to noise in decibels."""

    share: float
    sqnr_db: float


class Model:
    """A model of one picture input and one output, on ai-edge-litert."""

    def __init__(self, path: Path, threads: int = 2) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        self.input_type = np.dtype(self._input["dtype"]).name
        self.output_type = np.dtype(self._output["dtype"]).name
        self.size: tuple[int, int] = (int(self._input["shape"][2]), int(self._input["shape"][1]))

    def of_values(self, values: Any) -> Any:
        """The real outputs for float ``values``, which are quantized where the input is."""
        if self._input["dtype"] != np.float32:
            scale, zero_point = self._input["quantization"]
            limits = np.iinfo(self._input["dtype"])
            values = np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max)
        return self.of_raw(values)

    def of_raw(self, values: Any) -> Any:
        """The real outputs for ``values`` that go in as they are."""
        batch = values[np.newaxis].astype(self._input["dtype"])
        self._interpreter.set_tensor(self._input["index"], batch)
        self._interpreter.invoke()
        output = self._interpreter.get_tensor(self._output["index"])[0]
        if self._output["dtype"] == np.float32:
            return output
        scale, zero_point = self._output["quantization"]
        return (output.astype(np.float32) - zero_point) * scale


def agreement(real: Any, integer: Any) -> Agreement:
    """Compares outputs of shape (pictures, classes)."""
    share = float((real.argmax(1) == integer.argmax(1)).mean())
    noise = np.square(real - integer, dtype=np.float64).sum()
    signal = np.square(real, dtype=np.float64).sum()
    decibels = float(10 * np.log10(signal / noise)) if noise else math.inf
    return Agreement(share, decibels)


def read_pixels(paths: Sequence[Path], size: tuple[int, int]) -> list[Any]:
    """RGB pixels of whole pictures, stretched to ``size`` (width, height)."""
    from PIL import Image

    pictures = []
    for path in paths:
        with Image.open(path) as picture:
            whole = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        pictures.append(np.asarray(whole))
    return pictures


def main() -> None:
    """Prints a row of a Markdown table for each integer model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("float_model", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--mean", type=float, default=127.5)
    parser.add_argument("--std", type=float, default=127.5)
    parser.add_argument("--raw", type=Path, nargs="*", default=[])
    parser.add_argument("--values", type=Path, nargs="*", default=[])
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    reference = Model(options.float_model)
    pixels = read_pixels(sorted(options.pictures.iterdir()), reference.size)
    values = [(picture.astype(np.float32) - options.mean) / options.std for picture in pixels]
    real = np.stack([reference.of_values(value) for value in values])
    print(f"| model | agreement of {len(pixels)} | SQNR dB |\n|---|---|---|")
    document = {}
    for path in [*options.raw, *options.values]:
        model = Model(path)
        if path in options.raw:
            outputs = np.stack([model.of_raw(picture) for picture in pixels])
        else:
            outputs = np.stack([model.of_values(value) for value in values])
        found = agreement(real, outputs)
        print(f"| {path} | {found.share:.1%} | {found.sqnr_db:.2f} |")
        document[path.stem] = asdict(found)
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
