"""One sample in the three forms that quantizing needs: for float, for the graph, for integer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from edgeq.quantize.plan import InputPlan
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.transforms import Preprocessing

Sample = tuple[Array, ...]


@dataclass(frozen=True)
class InputSamples:
    """All samples of one model input.

    ``array`` is [N, ...]: raw uint8 pixels where ``is_pixels``, else the float model's own
    values. ``shape`` is the model's input shape, batch 1 included.
    """

    array: Array
    is_pixels: bool
    shape: tuple[int, ...]
    preprocessing: Preprocessing | None
    """What was declared; None: the values go in as they are."""

    def one(self, number: int) -> Array:
        """Sample ``number`` in the model's shape, as it was given."""
        return np.asarray(self.array[number]).reshape(self.shape)

    def value(self, number: int) -> Array:
        """What the float model takes: preprocessed, float32 (integers stay integers)."""
        raw = self.one(number)
        if self.is_pixels and self.preprocessing is not None:
            return self.preprocessing.apply(raw)
        keep = raw.dtype.kind in "ib" or (raw.dtype.kind == "u" and not self.is_pixels)
        return raw if keep else np.asarray(raw, np.float32)

    def graph_value(self, number: int, plan: InputPlan) -> Array:
        """What the edited float graph takes."""
        if not plan.pixels_go_in:
            return self.value(number)
        return (
            plan.from_pixels(self.one(number))
            if self.is_pixels
            else plan.from_values(self.value(number))
        )

    def integer_value(self, number: int, plan: InputPlan, spec: TensorSpec) -> Array:
        """What the quantized model's input ``spec`` takes: the pixel itself where that goes in."""
        if self.is_pixels and plan.pixels_go_in and spec.dtype == "uint8":
            return self.one(number)
        return spec.quantize(self.graph_value(number, plan))


@dataclass(frozen=True)
class GraphSamples(Sequence[Sample]):
    """The samples as the edited float graph takes them, made one at a time."""

    inputs: tuple[InputSamples, ...]
    plans: tuple[InputPlan, ...]

    def __len__(self) -> int:
        return len(self.inputs[0].array) if self.inputs else 0

    @overload
    def __getitem__(self, number: int) -> Sample: ...
    @overload
    def __getitem__(self, number: slice) -> list[Sample]: ...
    def __getitem__(self, number: int | slice) -> Sample | list[Sample]:
        """Sample ``number``, one float32 array per input."""
        if isinstance(number, slice):
            return [self[index] for index in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        return tuple(
            one.graph_value(number, plan) for one, plan in zip(self.inputs, self.plans, strict=True)
        )


def spread(count: int, wanted: int) -> tuple[int, ...]:
    """At most ``wanted`` numbers out of ``range(count)``, evenly spread, both ends included."""
    if count <= wanted:
        return tuple(range(count))
    return tuple(int(number) for number in np.linspace(0, count - 1, wanted).round())
