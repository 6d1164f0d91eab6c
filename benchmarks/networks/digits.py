"""Many handwritten digits: the demo's held-out ones, each moved by up to two pixels.

``python -m benchmarks.networks.digits --out DIGITS.npz`` writes 25,000 real digits (1,000 held-out
digits times 25 shifts) as uint8 ``x`` and labels ``y``, ``--times 5`` five times as many. One
thousand digits take 10 ms, less than any import; a comparison of whole processes needs more.
``--truncated OUT.npz --model INTEGER.tflite`` also writes the pixels that the guide's loop feeds
that model for them: it casts to uint8 without rounding.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.demo.digits import shipped_digits
from edgeq_device.tflite import read_model

SHIFTS = range(-2, 3)


def main() -> None:
    """Write the digits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--times", type=int, default=1, help="repeat them all")
    parser.add_argument("--truncated", type=Path, help="also as the guide's loop feeds them")
    parser.add_argument("--model", type=Path, help="the integer model that it feeds")
    options = parser.parse_args()
    digits = shipped_digits()
    moved = [
        np.roll(digits.test_x, (rows, columns), axis=(1, 2))
        for rows in SHIFTS
        for columns in SHIFTS
    ]
    copies = len(moved) * options.times
    pixels, labels = np.concatenate(moved * options.times), np.tile(digits.test_y, copies)
    np.savez(options.out, x=pixels, y=labels)
    if options.truncated:
        np.savez(options.truncated, x=truncated(options.model)[pixels], y=labels)
    print(f"{len(digits.test_x) * copies} digits in {options.out}")


def truncated(model: Path) -> Any:
    """uint8 [256]: what the guide's loop makes of each pixel value for ``model``."""
    spec = read_model(model).input_specs()[0]
    values = np.arange(256, dtype=np.uint8).astype(np.float32) / 255.0
    return (values / spec.scale + spec.zero_point).astype(np.uint8)


if __name__ == "__main__":
    main()
