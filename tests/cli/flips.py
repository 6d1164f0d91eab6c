"""Builds many damaged copies of one model: ``flips.py MODEL CALIBRATION FOLDER FIRST COUNT``.

A process of its own, as a crash must not end the tests. Copy ``n`` has one or two bits flipped,
always the same ones; a line of JSON says how its build ended.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from edgeq import pipeline
from edgeq.config import BuildSpec
from edgeq_device.errors import EdgeqError


def flipped(data: bytes, seed: int) -> bytes:
    """The same bytes but for one or two bits."""
    random = np.random.default_rng(seed)
    changed = bytearray(data)
    for _ in range(int(random.integers(1, 3))):
        changed[int(random.integers(len(changed)))] ^= 1 << int(random.integers(8))
    return bytes(changed)


def main(model: str, calibration: str, folder: str, first: str, count: str) -> None:
    data = Path(model).read_bytes()
    copy, output = Path(folder) / "damaged.tflite", Path(folder) / "out.edgeq"
    for seed in range(int(first), int(first) + int(count)):
        print(json.dumps({"seed": seed}), flush=True)
        copy.write_bytes(flipped(data, seed))
        spec = BuildSpec(model=str(copy), calibration=calibration, output=output, force=True)
        try:
            pipeline.build(spec)
        except EdgeqError as error:
            said = {"error": type(error).__name__, "sentence": str(error), "hint": error.hint}
            print(json.dumps({"seed": seed, **said, "left": output.exists()}), flush=True)
        else:
            print(json.dumps({"seed": seed, "error": None}), flush=True)
            output.unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
