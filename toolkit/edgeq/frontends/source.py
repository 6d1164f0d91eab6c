"""What every frontend gives: a model with named inputs and outputs, and its float .tflite."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from edgeq_device.closing import Closing
from edgeq_device.progress import Progress, silent
from edgeq_device.tensors import Array, TensorSpec


class AffineMap(Protocol):
    """``x * scale + offset`` before an input, a number per channel or one for all."""

    @property
    def scale(self) -> tuple[float, ...]:
        """What each channel is multiplied by."""

    @property
    def offset(self) -> tuple[float, ...]:
        """What is added to each channel then."""


class Source(Closing):
    """An opened model. Attributes are fixed; models are made when they are asked for."""

    kind: str
    """"keras", "saved-model", "function" or "tflite"."""
    name: str
    """As the user wrote it."""
    inputs: tuple[TensorSpec, ...]
    """With batch 1; float32 (or an integer type) without scale, unless ``is_integer``."""
    outputs: tuple[TensorSpec, ...]
    input_aliases: tuple[tuple[str, ...], ...]
    """Other names for each input: those of a .tflite signature."""
    notes: tuple[str, ...] = ()
    """What was done to the model that the user should know of."""
    can_convert: bool = False
    """True where TensorFlow's own converter can work from it."""
    is_integer: bool = False
    """True for a .tflite that computes with integers already."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """sha256 of the file, of the folder's sorted files, or of a function's float .tflite."""

    @property
    def versions(self) -> dict[str, str]:
        """The tools that read it, such as {"tensorflow": "2.21.0", "keras": "3.15.1"}."""
        return {}

    @abstractmethod
    def float_model(self) -> bytes:
        """The float .tflite with static batch 1; ModelError for an integer source."""

    @abstractmethod
    def integer_model(self) -> bytes:
        """An integer .tflite as it is, with static batch 1; ModelError for other sources."""

    @abstractmethod
    def convert(
        self,
        mode: str,
        samples: Sequence[Array] | None = None,
        affine: Sequence[AffineMap | None] | None = None,
        *,
        progress: Progress = silent,
    ) -> bytes:
        """A .tflite by TensorFlow's converter.

        ``mode`` is "float", "dynamic", "float-fallback" or "integer" (uint8 ends). The last two
        take ``samples``: an array [N, ...] for each input, in order. ``affine`` puts
        ``x * scale + offset`` before an input; samples are then values before it.
        """

    def close(self) -> None:  # noqa: B027 - most sources hold nothing
        """Let go of processes and temporary files."""
