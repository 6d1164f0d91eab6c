"""What is doubtful in calibration data, though it can be used."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeq.calibration.values import DEFAULT_SAMPLES, CalibrationSet
from edgeq_device.tensors import Array

FEW = 50
"""Fewer samples give ranges that change with every other choice of samples."""
NARROW = 0.02
"""Values that use less than this part of the declared range were probably scaled twice."""


@dataclass(frozen=True)
class PictureFacts:
    """One picture of a folder: where it is and how large, upright, in pixels."""

    path: Path
    width: int
    height: int


def audit(chosen: CalibrationSet) -> tuple[str, ...]:
    """Sentences about too few, repeated and constant samples, and values scaled twice."""
    count = len(chosen)
    found = []
    if count < FEW:
        noun = "sample" if count == 1 else "samples"
        found.append(f"{count} {noun}; 100 to 200 give steadier ranges")
    repeated = count - len({_digest(chosen.arrays, number) for number in range(count)})
    if repeated:
        found.append(f"{repeated} of {count} samples repeat another one")
    constant = [number for number in range(count) if _is_constant(chosen.arrays, number)]
    if constant:
        found.append(
            f"{len(constant)} of {count} samples are constant, all their numbers equal "
            f"(the first is sample {constant[0]})"
        )
    return (*found, *_narrow(chosen))


def audit_pictures(
    pictures: list[PictureFacts], asked: int, needed: tuple[int, int]
) -> tuple[str, ...]:
    """Sentences about too few and too small pictures; ``needed`` is the input's (height, width).

    Fewer than ``asked`` is worth a word where someone asked, and `audit` says nothing of it.
    """
    height, width = needed
    found = []
    if FEW <= len(pictures) < asked and asked != DEFAULT_SAMPLES:
        found.append(f"{len(pictures)} pictures, fewer than the {asked} asked for")
    small = [each for each in pictures if 2 * each.width < width or 2 * each.height < height]
    if small:
        first = small[0]
        found.append(
            f"{len(small)} of {len(pictures)} pictures are less than half as large as the model's "
            f"input of {width}x{height} (the first is {first.path}, {first.width}x{first.height})"
        )
    return tuple(found)


def _narrow(chosen: CalibrationSet) -> list[str]:
    found = []
    for array, is_pixels, declared in zip(
        chosen.arrays, chosen.is_pixels, chosen.preprocessing, strict=True
    ):
        low, high = (0.0, 255.0) if is_pixels or declared is None else declared.value_range
        if declared is None or array.dtype.kind not in "fu" or not array.size:
            continue
        seen = float(array.min()), float(array.max())
        if 0 < seen[1] - seen[0] < NARROW * (high - low):
            what = "raw pixels" if is_pixels else "the declared preprocessing"
            found.append(
                f"values go from {seen[0]:g} to {seen[1]:g} only, but {what} can give "
                f"{low:g} to {high:g}: were they scaled before?"
            )
    return found


def _digest(arrays: tuple[Array, ...], number: int) -> bytes:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array[number]).data)
    return digest.digest()


def _is_constant(arrays: tuple[Array, ...], number: int) -> bool:
    rows = [array[number] for array in arrays if array[number].size > 1]
    return bool(rows) and all(bool((row == row.flat[0]).all()) for row in rows)
