"""Which operator versions the frozen Edge TPU compiler can read.

``edgetpu_compiler`` 16.0 parses a model with an interpreter of TensorFlow Lite 2.5 or 2.6 before
it looks at anything else, and refuses the whole file for one entry of ``operator_codes`` that
this interpreter does not have, used or not. The table is TensorFlow 2.5.3's, the safe lower
bound, measured by loading a model with one operator code for each operator and version 1 to 15.
"""

from __future__ import annotations

_BY_MAX_VERSION = {
    9: """
        FULLY_CONNECTED
    """,
    6: """
        DEPTHWISE_CONV_2D
    """,
    5: """
        CONV_2D GATHER SLICE STRIDED_SLICE SUB TRANSPOSE
    """,
    4: """
        BATCH_MATMUL DEQUANTIZE LSTM MAXIMUM MINIMUM MUL RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR
        SPLIT SVDF UNPACK
    """,
    3: """
        ABS ADD AVERAGE_POOL_2D BATCH_TO_SPACE_ND BIDIRECTIONAL_SEQUENCE_LSTM
        BIDIRECTIONAL_SEQUENCE_RNN BROADCAST_TO CONCATENATION EMBEDDING_LOOKUP EQUAL FILL
        GATHER_ND LOGISTIC MAX_POOL_2D MEAN NOT_EQUAL PACK PAD PADV2 REDUCE_MAX REDUCE_MIN RELU
        RELU6 REVERSE_V2 RNN SOFTMAX SPACE_TO_BATCH_ND SPARSE_TO_DENSE TANH TRANSPOSE_CONV
        UNIDIRECTIONAL_SEQUENCE_LSTM UNIDIRECTIONAL_SEQUENCE_RNN
    """,
    2: """
        ARG_MAX ARG_MIN DEPTH_TO_SPACE DIV FAKE_QUANT FLOOR_DIV GREATER GREATER_EQUAL
        L2_NORMALIZATION LEAKY_RELU LESS LESS_EQUAL LOG_SOFTMAX MIRROR_PAD QUANTIZE RSQRT SELECT
        SPACE_TO_DEPTH SPLIT_V SQUARED_DIFFERENCE SQUEEZE SUM TILE TOPK_V2
    """,
    1: """
        ADD_N CALL_ONCE CAST CEIL COMPLEX_ABS CONV_3D COS CUMSUM DENSIFY ELU
        EMBEDDING_LOOKUP_SPARSE EXP EXPAND_DIMS FLOOR FLOOR_MOD HARD_SWISH HASHTABLE
        HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_LOOKUP HASHTABLE_SIZE IF IMAG L2_POOL_2D
        LOCAL_RESPONSE_NORMALIZATION LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LSH_PROJECTION
        MATRIX_DIAG MATRIX_SET_DIAG NEG NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 ONE_HOT POW
        PRELU RANGE RANK REAL REDUCE_ANY REDUCE_PROD RELU_N1_TO_1 RESHAPE REVERSE_SEQUENCE RFFT2D
        ROUND SCATTER_ND SEGMENT_SUM SELECT_V2 SHAPE SIN SKIP_GRAM SQRT SQUARE UNIQUE WHERE WHILE
        ZEROS_LIKE
    """,
}

MAX_VERSION: dict[str, int] = {
    op: version for version, names in _BY_MAX_VERSION.items() for op in names.split()
}
"""The highest version of each builtin operator that is read; an operator not here is unknown."""

MIN_VERSION: dict[str, int] = {"BROADCAST_TO": 2}
"""The lowest version that is read, where it is not 1."""

_NEWER = {
    "CONV_2D": "a version above 5 means groups or 4-bit weights: split the grouped convolution "
    "into one per group, joined by a concatenation",
    "DEPTHWISE_CONV_2D": "a version above 6 means 4-bit weights: quantize to 8 bits",
    "FULLY_CONNECTED": "a version above 9 means 4-bit or 16-bit values or an asymmetric "
    "dynamic-range layer: quantize fully to 8 bits",
    "TRANSPOSE_CONV": "version 4 means an activation inside the transposed convolution: put the "
    "activation in a layer of its own",
    "TILE": "UpSampling2D(interpolation='nearest') becomes TILE: use "
    "tf.image.resize(x, size, method='nearest') instead",
    "EXP": "use another activation, or compute exp outside the model",
    "LOG": "use another activation, or compute log outside the model",
    "SQRT": "compute the square root outside the model, or rewrite the layer without it",
    "GELU": "use relu, or x * sigmoid(1.702 * x), in place of gelu; with --approximate edgeq "
    "writes the latter",
    "TRANSPOSE": "version 6 means six dimensions: rewrite the layer with at most four, or move "
    "the transpose out of the model",
    "QUANTIZE": "version 3 means one scale per channel: fold the constant, or convert again "
    "without quantization-aware wrappers there",
    "DEQUANTIZE": "version 5 means one scale per channel: fold the constant, or convert again "
    "without quantization-aware wrappers there",
    "STRIDED_SLICE": "version 6 and above means an ellipsis or a new axis: write the slice with "
    "one start and end for each dimension",
    "CAST": "a version above 1 casts 8-bit or 16-bit values: remove the cast",
}


def version_is_known(op: str, version: int) -> bool:
    """True where the frozen compiler's interpreter reads builtin ``op`` at ``version``."""
    return MIN_VERSION.get(op, 1) <= version <= MAX_VERSION.get(op, 0)


def remedy_for_version(op: str) -> str:
    """What a user can do about an operator whose version is too new; always a sentence part."""
    if op.startswith("STABLEHLO"):
        return "export the model through TensorFlow Lite's own operators, not StableHLO"
    return _NEWER.get(
        op, "write the layer with older operators, or convert with an older converter"
    )
