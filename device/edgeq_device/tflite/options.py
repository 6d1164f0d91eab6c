"""The fields of operator options that kernels take on trust, by type of the options table.

Numbers are those of TFLite's schema, version 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Layout:
    """What must hold for the fields of one type of options.

    ``positive``: int32 fields over 0 (``ones`` of them are 1 where they are not stored);
    ``least_zero``: int32 fields of 0 or more; ``highest``: the last value of byte fields that
    choose one of a list; ``inputs``, ``outputs``: int32 fields that count operands;
    ``subgraphs``: int32 fields that name subgraphs; ``lists``: fields that point to a list,
    with the type of its elements, or to a text.
    """

    positive: tuple[int, ...] = ()
    ones: tuple[int, ...] = ()
    least_zero: tuple[int, ...] = ()
    highest: dict[int, int] = field(default_factory=dict)
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    subgraphs: tuple[int, ...] = ()
    lists: dict[int, str] = field(default_factory=dict)


_ACTIVATION = 5
_PADDING = 1


def _activation(field_number: int) -> Layout:
    return Layout(highest={field_number: _ACTIVATION})


def _longs(*fields: int) -> dict[int, str]:
    return dict.fromkeys(fields, "<i8")


LAYOUTS: dict[int, Layout] = {
    1: Layout((1, 2, 4, 5), (4, 5), highest={0: _PADDING, 3: _ACTIVATION}),  # Conv2D
    2: Layout((1, 2, 5, 6), (5, 6), highest={0: _PADDING, 4: _ACTIVATION}),  # DepthwiseConv2D
    3: Layout(lists={1: "<i4", 2: "<i4"}),  # ConcatEmbeddings
    4: Layout(highest={0: 2}),  # LSHProjection
    5: Layout((1, 2, 3, 4), highest={0: _PADDING, 5: _ACTIVATION}),  # Pool2D
    6: Layout((0,), highest={1: _ACTIVATION}),  # SVDF
    7: _activation(0),  # RNN
    8: Layout(highest={0: _ACTIVATION, 1: 1}, lists={5: "u1"}),  # FullyConnected
    10: _activation(1),  # Concatenation
    11: _activation(0),  # Add
    12: _activation(0),  # L2Norm
    13: Layout(least_zero=(0,)),  # LocalResponseNormalization
    14: Layout(highest={0: _ACTIVATION, 3: 1}),  # LSTM
    16: Layout(subgraphs=(0,)),  # Call
    17: Layout(lists={0: "<i4"}),  # Reshape
    19: Layout((0,)),  # SpaceToDepth
    20: Layout(highest={0: 2}),  # EmbeddingLookupSparse
    21: _activation(0),  # Mul
    28: _activation(0),  # Sub
    29: _activation(0),  # Div
    30: Layout(lists={0: "<i4"}),  # Squeeze
    31: _activation(1),  # SequenceRNN
    35: Layout((0,), outputs=(0,)),  # Split
    49: Layout((1, 2), highest={0: _PADDING, 3: _ACTIVATION}),  # TransposeConv
    59: Layout((0,), inputs=(0,)),  # Pack
    64: Layout(outputs=(0,)),  # Unpack
    69: _activation(0),  # BidirectionalSequenceLSTM
    70: _activation(1),  # BidirectionalSequenceRNN
    71: _activation(0),  # UnidirectionalSequenceLSTM
    77: Layout(highest={0: 1}),  # MirrorPad
    79: Layout((0,), outputs=(0,)),  # SplitV
    92: Layout(subgraphs=(0, 1)),  # If
    93: Layout(subgraphs=(0, 1)),  # While
    94: Layout((0,)),  # DepthToSpace
    103: Layout(subgraphs=(0,)),  # CallOnce
    106: Layout((1, 2, 3, 5, 6, 7), (5, 6, 7), highest={0: _PADDING, 4: _ACTIVATION}),  # Conv3D
    111: Layout(lists={0: "text", 1: "text"}),  # VarHandle
    115: Layout(lists={0: "<f4"}),  # Bucketize
}
"""Options of the first union (operator fields 3 and 4)."""

SECOND_LAYOUTS: dict[int, Layout] = {
    2: Layout(lists=_longs(0)),  # BroadcastInDim
    3: Layout(lists=_longs(0, 1, 2)),  # Slice
    4: Layout(lists={**_longs(0, 1, 2, 3, 7, 10, 13), 4: "u1", 16: "<u4"}),  # Convolution
    5: Layout(lists={0: "text", 2: "text", 4: "<i4", 5: "u1"}),  # CustomCall
    6: Layout(lists=_longs(0), subgraphs=(1,)),  # Reduce
    7: Layout(lists=_longs(1, 2, 3), subgraphs=(6,)),  # Scatter
    9: Layout(lists=_longs(0)),  # DynamicSlice
    10: Layout(lists=_longs(0, 1, 2)),  # Pad
    12: Layout(lists={**_longs(0, 1, 2, 3), 4: "<u4"}),  # DotGeneral
    13: Layout(lists=_longs(0, 1, 2, 3, 4), subgraphs=(5,)),  # ReduceWindow
    14: Layout(subgraphs=(2,)),  # Sort
    15: Layout(subgraphs=(0, 1)),  # While
    16: Layout(lists=_longs(0, 1, 2, 4)),  # Gather
    17: Layout(lists=_longs(0)),  # Transpose
    21: Layout(lists={0: "text", 2: "u1"}, subgraphs=(1,)),  # Composite
    23: Layout(lists={0: "<i4"}),  # Case
}
"""StableHLO options, of the second union (operator fields 11 and 12)."""

_PLAIN = Layout()


def layout(kind: int) -> Layout:
    """The layout of a type of the first union; types without trusted fields give a plain one."""
    return LAYOUTS.get(kind, _PLAIN)


def second_layout(kind: int) -> Layout:
    """The same for the second union."""
    return SECOND_LAYOUTS.get(kind, _PLAIN)
