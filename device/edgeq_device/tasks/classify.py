"""Classification: the most probable classes of one output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.transforms import activate


@dataclass(frozen=True)
class ClassScore:
    """One class: its index in the output, its label (else the index as text), its probability."""

    index: int
    label: str
    score: float


@dataclass(frozen=True)
class Classification:
    """The best classes, best first."""

    classes: tuple[ClassScore, ...]

    def as_dict(self) -> dict[str, Any]:
        """The plain form for JSON; scores with 6 decimals, null where a float model gave NaN."""
        classes = [
            {
                "index": each.index,
                "label": each.label,
                "score": round(each.score, 6) if math.isfinite(each.score) else None,
            }
            for each in self.classes
        ]
        return {"task": "classify", "classes": classes}


@dataclass(frozen=True)
class ClassifyOptions:
    """How to read the output; ``activation`` is what is still to be applied to it."""

    activation: str = "none"
    labels: Sequence[str] = ()
    top_k: int = 5


def classify(output: Array, spec: TensorSpec, options: ClassifyOptions) -> Classification:
    """The ``top_k`` best classes of an output [1, classes] as the model gave it.

    A score is a probability: the output is dequantized, and the activation applied. Equal scores
    come in the order of their index.
    """
    scores = activate(spec.dequantize(output), options.activation).reshape(-1)
    best = (-np.asarray(scores, np.float32)).argsort(kind="stable")[: options.top_k]
    labels = options.labels
    named = len(labels)
    classes = [
        ClassScore(index, labels[index] if index < named else str(index), float(score))
        for index, score in zip(best.tolist(), scores[best].tolist())
    ]
    return Classification(tuple(classes))
