"""Stands in for an opened model: its float .tflite, and a .tflite that a converter would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeq.frontends import AffineMap
from edgeq.quantize import InputSamples
from edgeq_device.progress import Progress, silent
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.tflite import parse_model
from edgeq_device.transforms import Preprocessing


@dataclass
class FloatFile:
    """A source that is a float .tflite; ``converted`` is what its converter answers."""

    data: bytes
    converted: bytes = b""
    name: str = "model.tflite"
    asked: list[dict[str, Any]] = field(default_factory=list)
    """What the converter was asked for."""

    @property
    def can_convert(self) -> bool:
        return bool(self.converted)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return parse_model(self.data, self.name).input_specs()

    def float_model(self) -> bytes:
        return self.data

    def convert(
        self,
        mode: str,
        samples: Sequence[Array] | None = None,
        affine: Sequence[AffineMap | None] | None = None,
        *,
        progress: Progress = silent,
    ) -> bytes:
        self.asked.append({"mode": mode, "samples": samples, "affine": affine})
        return self.converted


def values(data: bytes, count: int = 40, seed: int = 0) -> tuple[InputSamples, ...]:
    """Normally distributed float samples for every input of a model."""
    chance = np.random.default_rng(seed)
    return tuple(
        InputSamples(
            chance.normal(0, 1, (count, *spec.shape[1:])).astype(np.float32),
            is_pixels=False,
            shape=spec.shape,
            preprocessing=None,
        )
        for spec in parse_model(data, "m").input_specs()
    )


def pixels(
    data: bytes, declared: Preprocessing | None, span: tuple[int, int] = (0, 256), count: int = 40
) -> tuple[InputSamples, ...]:
    """Raw uint8 samples for every input of a model, all with the same declaration."""
    chance = np.random.default_rng(0)
    return tuple(
        InputSamples(
            chance.integers(*span, (count, *spec.shape[1:])).astype(np.uint8),
            is_pixels=True,
            shape=spec.shape,
            preprocessing=declared,
        )
        for spec in parse_model(data, "m").input_specs()
    )
