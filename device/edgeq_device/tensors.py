"""What is known of a model's input or output: name, shape, dtype and quantization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a model.

    ``scale`` is 0.0 where the tensor is not quantized; then ``zero_point`` is 0.
    A quantized value q stands for the real number ``scale * (q - zero_point)``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    """numpy's name: "uint8", "int8", "float32", ..."""
    scale: float = 0.0
    zero_point: int = 0

    @property
    def is_quantized(self) -> bool:
        """True where the numbers stand for real numbers through a scale."""
        return self.scale > 0.0

    def quantize(self, values: Array) -> Array:
        """Real numbers -> this tensor's dtype, rounded half to even and saturated; same shape."""
        if not self.is_quantized:
            return np.asarray(values, self.dtype)
        limits = np.iinfo(self.dtype)
        # float32 cannot hold the limits of int32.
        wide = np.float32 if limits.bits <= 16 else np.float64
        scaled = np.rint(np.asarray(values, wide) / np.asarray(self.scale, wide)) + self.zero_point
        return np.asarray(np.clip(scaled, limits.min, limits.max), self.dtype)

    def dequantize(self, values: Array) -> Array:
        """This tensor's integers -> float32 real numbers; other tensors come back as they are."""
        if not self.is_quantized:
            return np.asarray(values)
        shifted = np.subtract(values, np.float32(self.zero_point), dtype=np.float32)
        return np.asarray(np.multiply(shifted, np.float32(self.scale)))
