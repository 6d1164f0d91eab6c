"""What to do about the operators that the Edge TPU does not have."""

from __future__ import annotations

ALSO_MAPPED = frozenset({"TILE"})
"""Not in the documented table, yet seen mapped in compiled models."""

_TO_HOST = "end the model before it and compute it outside, on the model's output"

_BY_LEGALIZE = ": edgeq legalize --approximate writes it"

REMEDIES: dict[str, str] = {
    "LEAKY_RELU": "use relu, PReLU(shared_axes=[1, 2]), or maximum(x, alpha * x)" + _BY_LEGALIZE,
    "HARD_SWISH": "use relu, or x * relu6(x + 3) / 6 in layers of their own" + _BY_LEGALIZE,
    "ELU": "use relu",
    "GELU": "use relu, or x * sigmoid(1.702 * x)" + _BY_LEGALIZE,
    "EXP": "use another activation, or compute exp outside the model",
    "LOG": "use another activation, or compute log outside the model",
    "LOG_SOFTMAX": "use softmax",
    "SQRT": "use rsqrt and a multiplication, or compute the root outside the model",
    "DIV": "multiply by the reciprocal of a constant divisor, else divide outside the model",
    "FLOOR_DIV": _TO_HOST,
    "FLOOR_MOD": _TO_HOST,
    "ARG_MAX": _TO_HOST,
    "ARG_MIN": _TO_HOST,
    "TOPK_V2": _TO_HOST,
    "GATHER": "use split or slice where the indices are constant, else " + _TO_HOST,
    "GATHER_ND": "use split or slice where the indices are constant, else " + _TO_HOST,
    "UNPACK": "use split, which keeps the dimension",
    "CAST": "feed the tensor in the type that the next layer reads",
    "DEQUANTIZE": "ask for uint8 outputs and scale them outside the model",
    "BATCH_MATMUL": "multiply by constant weights (Dense or Conv2D): a product of two computed "
    "tensors has no Edge TPU form",
    "BROADCAST_TO": "let an addition or multiplication broadcast by itself",
    "DEPTH_TO_SPACE": "use Conv2DTranspose or tf.image.resize for up-sampling",
    "SHAPE": "build the model with batch_size=1, so that its shapes are constants",
    "PADV2": "pad with zeros",
    "MIRROR_PAD": "pad with zeros",
    "SPLIT_V": "split into equal parts, or use slices",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "use an LSTM",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "use a unidirectional LSTM",
    "SPACE_TO_BATCH_ND": "use Conv2D(dilation_rate=...) with a fixed input size",
    "BATCH_TO_SPACE_ND": "use Conv2D(dilation_rate=...) with a fixed input size",
    "CUSTOM": _TO_HOST,
}
"""By operator: the edit that brings what it computes onto the Edge TPU, or out of its way."""

OTHERWISE = "write the layer with operators of docs/supported-ops.md, or move it to the model's end"
