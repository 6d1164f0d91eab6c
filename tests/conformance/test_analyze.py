"""The prediction against what Google's compiler made of real models, operator by operator."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from edgeq.analyze import analyze
from edgeq_device.tflite import read_model

pytestmark = pytest.mark.conformance

CORAL = Path(os.environ.get("EDGEQ_CONFORMANCE", Path(__file__).parents[3] / "shared" / "coral"))


def facts() -> list[Any]:
    """The pairs' facts; none where the models are not here (the fixture ``coral`` says so)."""
    found = CORAL / "pairs.json"
    return json.loads(found.read_text("utf-8"))["pairs"] if found.is_file() else [None]


def short(pair: Any) -> str:
    return Path(pair["compiled"]["file"]).stem if pair else "none"


pairs = pytest.mark.parametrize("pair", facts(), ids=short)

NOT_PREDICTED = {
    # Newer compilers add 48,256 bytes for a softmax over 1,001 classes; older ones do not.
    "mobilenet_v1_0.25_128_quant_cocompiled_with_3quant_edgetpu": 48256,
    "mobilenet_v1_0.25_128_quant_cocompiled_with_mobilenet_v1_0.5_160_quant_edgetpu": 48256,
    "mobilenet_v1_0.5_160_quant_cocompiled_with_mobilenet_v1_0.25_128_quant_edgetpu": 48256,
    "mobilenet_v1_0.25_128_quant_edgetpu": 48256,
    "mobilenet_v1_0.5_160_quant_edgetpu": 48256,
    # Tables and matrices that an LSTM needs besides its weights.
    "keras_lstm_mnist_ptq_edgetpu": 28864,
    # A one-channel convolution; constants.
    "movenet_single_pose_lightning_ptq_edgetpu": 512,
    # Small matrices of concatenations and splits.
    "bright_16x16_edgetpu": 192,
    "split_concat_edgetpu": 192,
}
"""Bytes that the compiled model holds more than predicted, by compiled file; others: none."""


@pairs
def test_the_operators_on_the_cpu_are_the_real_ones(coral: Path, pair: Any) -> None:
    found = analyze(read_model(coral / pair["source"]["file"]))
    assert [(each.index, each.op) for each in found.cpu_operators] == [
        (each["source_index"], each["op"]) for each in pair["cpu_ops"]
    ]
    assert len(found.operators) == pair["n_source_ops"]
    assert found.mapped == pair["n_ops_on_tpu"]


@pairs
def test_multiplications_on_either_side(coral: Path, pair: Any) -> None:
    found = analyze(read_model(coral / pair["source"]["file"]))
    assert found.macs("edgetpu") == pair["macs_on_tpu"]
    assert found.macs("cpu") == pair["macs_on_cpu"]


@pairs
def test_parameter_bytes(coral: Path, pair: Any) -> None:
    found = analyze(read_model(coral / pair["source"]["file"]))
    real = pair["parameter_bytes"]["total_in_package"]
    folder = Path(pair["compiled"]["file"]).parent.name
    more = 0 if folder == "edgetpu" else NOT_PREDICTED.get(short(pair), 0)
    assert real - found.parameter_bytes == more
    assert found.fit == "fits"


@pytest.mark.parametrize("color", ["blue", "green"])
def test_the_color_trackers(coral: Path, color: str) -> None:
    folder = coral / "models" / "libredgetpu" / "tracker" / "templates"
    found = analyze(read_model(folder / f"color_{color}_64x64.tflite"))
    assert found.cpu_operators == ()
    assert found.macs("edgetpu") == 64 * 64 * 3 + 2 * 4096
    # The compiled models hold 132,416 bytes: small matrices come on top, 0.9 %.
    assert found.parameter_bytes == 131200


def test_why_the_deeplab_decoder_stays_on_the_cpu(coral: Path) -> None:
    path = coral / "models" / "test_data" / "deeplabv3_mnv2_dm05_pascal_quant.tflite"
    found = analyze(read_model(path))
    assert {each.index: each.rule for each in found.cpu_operators} == {
        64: "resize_grows_little",
        **dict.fromkeys(range(65, 70), "one_part_only"),
        70: "resize_grows_little",
        71: "operator_exists",
    }
    blocker = found.blocker
    assert blocker is not None
    assert blocker.operator.index == 64
    assert (blocker.gained_operators, blocker.gained_macs) == (5, 148591872)
    assert found.operators[68].reason == (
        "Only one part of a model is mapped: what waits for an operator on the CPU stays there: "
        "it waits for operator 64 RESIZE_BILINEAR."
    )


def test_why_the_movenet_decoder_stays_on_the_cpu(coral: Path) -> None:
    path = coral / "models" / "test_data" / "movenet_single_pose_lightning_ptq.tflite"
    found = analyze(read_model(path))
    rules = {each.index: each.rule for each in found.operators}
    assert rules[0] == rules[89] == rules[112] == "operator_exists"
    assert rules[1] == rules[92] == rules[94] == "values_are_8_bit"
    assert rules[100] == rules[111] == "all_rules_hold"
    assert rules[113] == rules[155] == "one_part_only"
    assert found.blocker is not None
    assert found.blocker.operator.index == 89
    assert found.blocker.gained_operators == 0
    assert found.summary == "Edge TPU 98 ops (62 %) · CPU 59 ops (38 %)"
