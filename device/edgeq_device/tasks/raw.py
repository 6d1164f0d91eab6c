"""Raw outputs: the numbers as the model gave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgeq_device.tensors import Array, TensorSpec


@dataclass(frozen=True, eq=False)
class RawOutput:
    """One output: its name, and its numbers in its own dtype and shape, not dequantized."""

    name: str
    data: Array


@dataclass(frozen=True, eq=False)
class RawOutputs:
    """All outputs, in the model's order."""

    outputs: tuple[RawOutput, ...]

    def as_dict(self) -> dict[str, Any]:
        """The plain form for JSON: dtype, shape and nested lists (NaN and infinity as text)."""
        outputs = [
            {
                "name": output.name,
                "dtype": output.data.dtype.name,
                "shape": list(output.data.shape),
                "data": _plain(output.data),
            }
            for output in self.outputs
        ]
        return {"task": "raw", "outputs": outputs}


def raw(outputs: Sequence[Array], specs: Sequence[TensorSpec]) -> RawOutputs:
    """Outputs with the names of their specs."""
    return RawOutputs(tuple(RawOutput(spec.name, data) for spec, data in zip(specs, outputs)))


def _plain(data: Array) -> Any:
    """Nested lists; JSON has no NaN and no infinity, so these become "nan", "inf", "-inf"."""
    import numpy as np

    if data.dtype.kind != "f" or np.isfinite(data).all():
        return data.tolist()
    return np.where(np.isfinite(data), data, data.astype(str)).tolist()
