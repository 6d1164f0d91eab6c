"""What is known of the Edge TPU's operators."""

from __future__ import annotations

import pytest

from edgeq.ops import (
    CPU_CUSTOM_OPERATORS,
    DECODERS,
    EDGE_TPU_OPERATORS,
    MAX_VERSION,
    is_candidate,
    is_decoder,
    remedy_for_version,
    version_is_known,
)
from edgeq_device.tflite.opcodes import BUILTIN_NAMES


def test_the_table_holds_what_tensorflow_2_5_knows() -> None:
    assert len(MAX_VERSION) == 135
    assert set(MAX_VERSION) <= set(BUILTIN_NAMES)


@pytest.mark.parametrize(
    ("op", "highest"),
    [
        ("FULLY_CONNECTED", 9),
        ("DEPTHWISE_CONV_2D", 6),
        ("CONV_2D", 5),
        ("MUL", 4),
        ("ADD", 3),
        ("TRANSPOSE_CONV", 3),
        ("QUANTIZE", 2),
        ("TILE", 2),
        ("EXP", 1),
        ("SQRT", 1),
        ("RESHAPE", 1),
    ],
)
def test_the_highest_version_is_the_last_one_known(op: str, highest: int) -> None:
    assert version_is_known(op, highest)
    assert version_is_known(op, 1)
    assert not version_is_known(op, highest + 1)
    assert not version_is_known(op, 0)


@pytest.mark.parametrize("op", ["GELU", "SIGN", "BITCAST", "READ_VARIABLE", "STABLEHLO_ADD"])
def test_an_operator_younger_than_the_compiler_is_unknown(op: str) -> None:
    assert op in BUILTIN_NAMES
    assert not version_is_known(op, 1)


def test_broadcast_to_starts_at_version_2() -> None:
    assert [version_is_known("BROADCAST_TO", version) for version in (1, 2, 3, 4)] == [
        False,
        True,
        True,
        False,
    ]


def test_every_operator_of_the_edge_tpu_is_one_that_the_compiler_reads() -> None:
    assert len(EDGE_TPU_OPERATORS) == 40
    assert set(EDGE_TPU_OPERATORS) <= set(MAX_VERSION)
    assert {row.since for row in EDGE_TPU_OPERATORS.values()} == {0, 13, 14}
    assert all(row.limit == "" or row.limit.endswith(".") for row in EDGE_TPU_OPERATORS.values())


@pytest.mark.parametrize("op", ["CONV_2D", "QUANTIZE", "SOFTMAX", "UNIDIRECTIONAL_SEQUENCE_LSTM"])
def test_candidates(op: str) -> None:
    assert is_candidate(op)


@pytest.mark.parametrize("op", ["DEQUANTIZE", "CAST", "ARG_MAX", "CUSTOM", "SQRT", "LEAKY_RELU"])
def test_operators_that_stay_on_the_cpu(op: str) -> None:
    assert not is_candidate(op)


def test_a_cpu_tail_starts_at_a_decoder() -> None:
    assert is_decoder("ARG_MAX")
    assert is_decoder("CUSTOM", "TFLite_Detection_PostProcess")
    assert is_decoder("CUSTOM", "PosenetDecoderOp")
    assert not is_decoder("CUSTOM", "edgetpu-custom-op")
    assert not is_decoder("DEQUANTIZE")
    assert not DECODERS & set(EDGE_TPU_OPERATORS)
    assert set(CPU_CUSTOM_OPERATORS) == {"TFLite_Detection_PostProcess", "PosenetDecoderOp"}


def test_the_remedy_for_a_version_speaks_of_the_layer() -> None:
    assert "tf.image.resize" in remedy_for_version("TILE")
    assert "grouped" in remedy_for_version("CONV_2D")
    assert "StableHLO" in remedy_for_version("STABLEHLO_ADD")
    assert remedy_for_version("ADD").startswith("write the layer with older operators")
