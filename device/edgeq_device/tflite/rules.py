"""What each builtin operator needs so that an interpreter's kernel does not crash on it.

Kernels check much themselves, but not all: an operand that is missing is read through a null
pointer, a stride of 0 divides by zero, options of another type are read as zeros. The numbers
are option types and fields of TFLite's schema, version 3.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """What one operator needs.

    ``inputs`` and ``outputs`` are the least counts; only the inputs of ``optional`` may be
    absent (-1), those of ``together`` all or none. ``options`` is the type its options must
    have where it has any; ``needs_options`` where they must be there (their fields then follow
    `options.LAYOUTS`). ``same_type`` where the first output must have the first input's type.
    ``axes`` are the inputs that hold one number for each dimension, or fewer.
    """

    inputs: int = 1
    outputs: int = 1
    optional: Collection[int] = ()
    together: tuple[int, ...] = ()
    options: int | None = None
    needs_options: bool = False
    same_type: bool = False
    axes: tuple[int, ...] = ()


def _from(first: int) -> range:
    """All inputs from a place on."""
    return range(first, 2**31)


_INPUT_GATE = (1, 5, 12)
"""An LSTM's input gate: weights, recurrent weights, bias; absent where it is coupled."""

_LSTM_OPTIONAL = (*_INPUT_GATE, 9, 10, 11, 16, 17, 20, 21, 22, 23)
"""Besides the input gate: peepholes, projection, layer norm."""

RULES: dict[str, Rule] = {
    "ADD": Rule(2, options=11),
    "AVERAGE_POOL_2D": Rule(1, options=5, needs_options=True),
    "CONCATENATION": Rule(options=10),
    "CONV_2D": Rule(2, optional=_from(2), options=1, needs_options=True),
    "DEPTHWISE_CONV_2D": Rule(3, optional=_from(2), options=2, needs_options=True),
    "DEPTH_TO_SPACE": Rule(options=94, needs_options=True),
    "EMBEDDING_LOOKUP": Rule(2),
    "FULLY_CONNECTED": Rule(2, optional=_from(2), options=8),
    "HASHTABLE_LOOKUP": Rule(3, 2),
    "L2_NORMALIZATION": Rule(options=12),
    "L2_POOL_2D": Rule(1, options=5, needs_options=True),
    "LOCAL_RESPONSE_NORMALIZATION": Rule(options=13),
    "LSH_PROJECTION": Rule(2, optional=_from(2), options=4, needs_options=True),
    "LSTM": Rule(5, optional=_LSTM_OPTIONAL, together=_INPUT_GATE, options=14, needs_options=True),
    "MAX_POOL_2D": Rule(1, options=5, needs_options=True),
    "MUL": Rule(2, options=21),
    "RESHAPE": Rule(options=17, same_type=True, axes=(1,)),
    "RESIZE_BILINEAR": Rule(2, options=15),
    "RNN": Rule(5, options=7, needs_options=True),
    "SOFTMAX": Rule(options=9, needs_options=True),
    "SPACE_TO_DEPTH": Rule(options=19, needs_options=True),
    "SVDF": Rule(5, optional=_from(3), options=6, needs_options=True),
    "SKIP_GRAM": Rule(options=18, needs_options=True),
    "EMBEDDING_LOOKUP_SPARSE": Rule(5, options=20),
    "PAD": Rule(2),
    "UNIDIRECTIONAL_SEQUENCE_RNN": Rule(5, options=31, needs_options=True),
    "GATHER": Rule(2, options=23),
    "BATCH_TO_SPACE_ND": Rule(3),
    "SPACE_TO_BATCH_ND": Rule(3),
    "TRANSPOSE": Rule(2, axes=(1,)),
    "MEAN": Rule(2, options=27, axes=(1,)),
    "SUB": Rule(2, options=28),
    "DIV": Rule(2, options=29),
    "SQUEEZE": Rule(options=30, same_type=True),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Rule(
        20, optional=_LSTM_OPTIONAL, together=_INPUT_GATE, options=71, needs_options=True
    ),
    "STRIDED_SLICE": Rule(4, options=32, axes=(1, 2, 3)),
    "BIDIRECTIONAL_SEQUENCE_RNN": Rule(12, optional=_from(9), options=70, needs_options=True),
    "TOPK_V2": Rule(2, 2),
    "SPLIT": Rule(2, options=35, needs_options=True),
    "BIDIRECTIONAL_SEQUENCE_LSTM": Rule(39, optional=_from(1), options=69, needs_options=True),
    "CAST": Rule(options=37),
    "PRELU": Rule(2),
    "MAXIMUM": Rule(2),
    "ARG_MAX": Rule(2, options=40),
    "MINIMUM": Rule(2),
    "LESS": Rule(2),
    "PADV2": Rule(3),
    "GREATER": Rule(2),
    "GREATER_EQUAL": Rule(2),
    "LESS_EQUAL": Rule(2),
    "SELECT": Rule(3),
    "SLICE": Rule(3, axes=(1, 2)),
    "TRANSPOSE_CONV": Rule(3, optional=_from(3), options=49, needs_options=True),
    "SPARSE_TO_DENSE": Rule(4),
    "TILE": Rule(2, axes=(1,)),
    "EXPAND_DIMS": Rule(2, same_type=True),
    "EQUAL": Rule(2),
    "NOT_EQUAL": Rule(2),
    "SUM": Rule(2, options=27, axes=(1,)),
    "SHAPE": Rule(options=55),
    "POW": Rule(2),
    "ARG_MIN": Rule(2, options=57),
    "FAKE_QUANT": Rule(options=58),
    "REDUCE_PROD": Rule(2, options=27, axes=(1,)),
    "REDUCE_MAX": Rule(2, options=27, axes=(1,)),
    "PACK": Rule(options=59, needs_options=True),
    "LOGICAL_OR": Rule(2),
    "ONE_HOT": Rule(4, options=61),
    "LOGICAL_AND": Rule(2),
    "UNPACK": Rule(options=64, needs_options=True),
    "REDUCE_MIN": Rule(2, options=27, axes=(1,)),
    "FLOOR_DIV": Rule(2),
    "REDUCE_ANY": Rule(2, options=27, axes=(1,)),
    "FILL": Rule(2, axes=(0,)),
    "FLOOR_MOD": Rule(2),
    "RANGE": Rule(3),
    "RESIZE_NEAREST_NEIGHBOR": Rule(2, options=74),
    "LEAKY_RELU": Rule(options=75),
    "SQUARED_DIFFERENCE": Rule(2),
    "MIRROR_PAD": Rule(2, options=77, needs_options=True),
    "SPLIT_V": Rule(3, options=79, needs_options=True),
    "UNIQUE": Rule(1, 2, options=80),
    "REVERSE_V2": Rule(2, axes=(1,)),
    "GATHER_ND": Rule(2),
    "REVERSE_SEQUENCE": Rule(2, options=87),
    "MATRIX_SET_DIAG": Rule(2),
    "IF": Rule(1, 0, options=92, needs_options=True),
    "WHILE": Rule(1, 0, options=93, needs_options=True),
    "NON_MAX_SUPPRESSION_V4": Rule(5, 2),
    "NON_MAX_SUPPRESSION_V5": Rule(6, 3),
    "SCATTER_ND": Rule(3),
    "SELECT_V2": Rule(3),
    "SEGMENT_SUM": Rule(2),
    "BATCH_MATMUL": Rule(2, options=101),
    "CUMSUM": Rule(2, options=102, same_type=True),
    "CALL": Rule(0, 0, options=16, needs_options=True),
    "CALL_ONCE": Rule(0, 0, options=103, needs_options=True),
    "BROADCAST_TO": Rule(2, axes=(1,)),
    "RFFT2D": Rule(2),
    "CONV_3D": Rule(2, optional=_from(2), options=106, needs_options=True),
    "HASHTABLE": Rule(0, options=107, needs_options=True),
    "HASHTABLE_FIND": Rule(3),
    "HASHTABLE_IMPORT": Rule(3, 0),
    "REDUCE_ALL": Rule(2, options=27, axes=(1,)),
    "CONV_3D_TRANSPOSE": Rule(3, optional=_from(3), options=106, needs_options=True),
    "VAR_HANDLE": Rule(0, options=111, needs_options=True),
    "ASSIGN_VARIABLE": Rule(2, 0),
    "BROADCAST_ARGS": Rule(2),
    "RANDOM_STANDARD_NORMAL": Rule(options=114),
    "BUCKETIZE": Rule(options=115, needs_options=True),
    "RANDOM_UNIFORM": Rule(options=114),
    "MULTINOMIAL": Rule(2, options=114),
    "GELU": Rule(options=116),
    "DYNAMIC_UPDATE_SLICE": Rule(3),
    "UNSORTED_SEGMENT_PROD": Rule(3),
    "UNSORTED_SEGMENT_MAX": Rule(3),
    "UNSORTED_SEGMENT_SUM": Rule(3),
    "UNSORTED_SEGMENT_MIN": Rule(3),
    "ATAN2": Rule(2),
    "BITWISE_XOR": Rule(2),
    "RIGHT_SHIFT": Rule(2),
    "CUSTOM": Rule(0, 0, optional=_from(0)),
    "DELEGATE": Rule(0, 0, optional=_from(0)),
}

PLAIN = Rule()
"""Builtin operators without a rule of their own read one tensor and write one."""

STABLEHLO = Rule(0, 0, optional=_from(0))
"""StableHLO operators keep their options in a second union; few interpreters run them."""

MAKES_HANDLES = frozenset(
    (
        "CUSTOM",
        "DELEGATE",
        "HASHTABLE",
        "HASHTABLE_FIND",
        "HASHTABLE_LOOKUP",
        "READ_VARIABLE",
        "VAR_HANDLE",
        "IF",
        "WHILE",
        "CALL",
    )
)
"""Operators that may make strings and handles out of plain numbers."""


def rule(op: str) -> Rule:
    """The rule for an operator by its name."""
    return STABLEHLO if op.startswith("STABLEHLO_") else RULES.get(op, PLAIN)
