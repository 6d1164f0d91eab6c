"""Constants that lie behind the flatbuffer, brought in."""

from __future__ import annotations

from edgeq.legalize.draft import Draft, Rewrite, Touched
from edgeq.model import tensor_name
from edgeq_device.tflite import parse_model


def _apply(draft: Draft) -> tuple[Touched, ...]:
    # Reading has brought them in already: what is left is to say so.
    outside = set(parse_model(draft.data, draft.spec.name).external_buffers)
    return tuple(
        Touched("constant", tensor_name(tensor))
        for tensor in draft.graph.tensors
        if tensor.buffer in outside
    )


EXTERNAL_BUFFERS = Rewrite(
    "external-buffers",
    "constants behind the model, which TensorFlow 2.5 sees as empty, are brought in",
    _apply,
)
