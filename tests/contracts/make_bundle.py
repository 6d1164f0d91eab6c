"""Writes the text form of a bundle of today's format for `bundles/`; run once per format.

python -m tests.contracts.make_bundle > tests/contracts/bundles/format_1.txt
"""

from __future__ import annotations

import base64

import numpy as np

from edgeq_device.bundle import RuntimeInfo
from tests.device.bundles import Recipe, bundle_bytes
from tests.device.factories import custom_op_model, quantize_model

MADE_BY = RuntimeInfo("ai-edge-litert", "2.3.0", "x86_64")
RECIPE = Recipe(
    model=quantize_model(input_scale=1 / 255, output_scale=1 / 128),
    compiled=custom_op_model(),
    labels=("ant", "bee", "Käfer", "dog"),
    activation="softmax",
    samples=1,
    made_by=MADE_BY,
    outputs=(np.array([[[53, 77, 125, 66]]], np.uint8),),
)


def as_text(data: bytes) -> str:
    """Base64 in lines of 76 characters."""
    return base64.encodebytes(data).decode("ascii")


def from_text(text: str) -> bytes:
    """The inverse of `as_text`."""
    return base64.decodebytes(text.encode("ascii"))


if __name__ == "__main__":
    print(as_text(bundle_bytes(RECIPE)), end="")
