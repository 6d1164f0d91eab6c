"""Values to try a model on, when what matters is whether two models answer the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeq_device.tensors import Array, TensorSpec


def trial_values(inputs: Sequence[TensorSpec]) -> list[Array]:
    """An array for each input, the same at every call.

    Quantized inputs take their whole range, floats a normal distribution; other integers are
    0 or 1, as they may be indices that must stay in bounds.
    """
    generator = np.random.default_rng(0)
    values: list[Array] = []
    for spec in inputs:
        dtype = np.dtype(spec.dtype)
        if spec.is_quantized and dtype.kind in "iu":
            limits = np.iinfo(dtype)
            drawn: Array = generator.integers(limits.min, limits.max, spec.shape, endpoint=True)
        elif dtype.kind == "f":
            drawn = generator.normal(size=spec.shape)
        else:
            drawn = generator.integers(0, 2, spec.shape)
        values.append(drawn.astype(dtype))
    return values
