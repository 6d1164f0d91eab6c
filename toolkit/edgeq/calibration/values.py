"""What calibration hands on: the options, the chosen samples, and how errors are named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from edgeq_device.errors import CalibrationError, ConfigError, InputError
from edgeq_device.sources import Wanted
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.transforms import Preprocessing

DEFAULT_SAMPLES = 200


@dataclass(frozen=True)
class CalibrationOptions:
    """How many samples to take at most, and how pictures and raw pixels become model values."""

    samples: int = DEFAULT_SAMPLES
    seed: int = 0
    preprocessing: Preprocessing | tuple[Preprocessing | None, ...] | None = None
    """One for all inputs, or one per input; None: model values are the pixels themselves."""
    threads: int | None = None
    """Pictures decoded at the same time; None: one per core."""

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ConfigError("--samples", self.samples, "a whole number of at least 1")

    def wanted(self, inputs: tuple[TensorSpec, ...]) -> Wanted:
        """The inputs together with what was declared for each."""
        return Wanted(inputs, per_input(self.preprocessing, len(inputs)))


@dataclass(frozen=True, eq=False)
class CalibrationSet:
    """The chosen samples, in a fixed order.

    ``arrays`` has one array per input, [N, ...] without the model's batch of 1: uint8 where they
    are raw pixels (``is_pixels``), else float32 model values, or the input's own integers.
    """

    source: str
    inputs: tuple[TensorSpec, ...]
    arrays: tuple[Array, ...]
    preprocessing: tuple[Preprocessing | None, ...]
    digest: str
    """sha256 over the chosen samples in order: of pictures, over the bytes of their files."""
    labels: Array | None = None
    """int64 [N], where the source has labels; or as they were saved, if they are no numbers."""
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.arrays[0])

    @property
    def is_pixels(self) -> tuple[bool, ...]:
        """Per input: are its samples raw pixels, to which the preprocessing still applies?"""
        return tuple(
            array.dtype == np.uint8 and (spec.is_quantized or spec.dtype.startswith("float"))
            for array, spec in zip(self.arrays, self.inputs, strict=True)
        )

    def model_values(
        self, preprocessing: tuple[Preprocessing | None, ...] | None = None
    ) -> tuple[Array, ...]:
        """All samples as the float model takes them: float32 [N, ...], integers as they are.

        ``preprocessing`` replaces what was declared.
        """
        whole = slice(0, len(self))
        return tuple(self._values(index, whole, preprocessing) for index in range(len(self.inputs)))

    def samples(
        self, preprocessing: tuple[Preprocessing | None, ...] | None = None
    ) -> Iterator[tuple[Array, ...]]:
        """One sample after the other, in the model's input shapes, as `model_values` has them."""
        for number in range(len(self)):
            row = slice(number, number + 1)
            yield tuple(
                self._values(index, row, preprocessing).reshape(spec.shape)
                for index, spec in enumerate(self.inputs)
            )

    def _values(
        self, index: int, rows: slice, preprocessing: tuple[Preprocessing | None, ...] | None
    ) -> Array:
        values = self.arrays[index][rows]
        if not self.is_pixels[index]:
            return values
        declared = self.preprocessing if preprocessing is None else preprocessing
        return (declared[index] or Preprocessing()).apply(values)


def per_input(
    declared: Preprocessing | tuple[Preprocessing | None, ...] | None, count: int
) -> tuple[Preprocessing | None, ...]:
    """What was declared, as one entry per input."""
    if not isinstance(declared, tuple):
        return (declared,) * count
    if len(declared) == 1:
        return declared * count
    if len(declared) not in (0, count):
        raise ConfigError("preprocessing", len(declared), f"one, or one per input ({count})")
    return declared or (None,) * count


@contextmanager
def named_as_calibration() -> Iterator[None]:
    """What cannot be read or does not fit is, on this side, a fault of the calibration data."""
    try:
        yield
    except InputError as cause:
        raise CalibrationError(cause.path, cause.problem, hint=cause.hint) from cause
