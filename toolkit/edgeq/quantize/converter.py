"""The ``tflite-converter`` engine: TensorFlow's own quantizer, in the source's child process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from edgeq.quantize.plan import Affine
from edgeq_device.errors import CalibrationError
from edgeq_device.progress import Progress, silent
from edgeq_device.tensors import Array, TensorSpec

Samples = Mapping[str, Array] | Sequence[Array]
"""An array [N, ...] for each input: by the input's name, or in the inputs' order."""


class Convertible(Protocol):
    """What this engine needs of an opened source (see ``edgeq.frontends.Source``)."""

    name: str
    inputs: tuple[TensorSpec, ...]

    def convert(
        self,
        mode: str,
        samples: Sequence[Array] | None = None,
        affine: Sequence[Affine | None] | None = None,
        *,
        progress: Progress = silent,
    ) -> bytes:
        """A .tflite of the model by TensorFlow's converter."""


def convert(
    source: Convertible,
    samples: Samples,
    *,
    mode: str = "integer",
    affine: Sequence[Affine | None] | None = None,
    progress: Progress = silent,
) -> bytes:
    """The integer .tflite (uint8 ends, dense weights with one scale), calibrated on ``samples``.

    ``affine`` (an ``Affine`` or None for each input) is put before the inputs; samples are then
    values before it. CalibrationError for samples that do not fit, ModelError where TensorFlow
    refuses the model or dies of it.
    """
    return source.convert(mode, _ordered(source, samples), affine, progress=progress)


def _ordered(source: Convertible, samples: Samples) -> tuple[Array, ...]:
    if isinstance(samples, Mapping):
        missing = [spec.name for spec in source.inputs if spec.name not in samples]
        if missing:
            raise CalibrationError(source.name, f"no samples for the input {missing[0]!r}")
        samples = [samples[spec.name] for spec in source.inputs]
    return tuple(samples)
