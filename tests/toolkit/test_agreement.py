"""How two models are compared, and which operator is to blame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeq import agreement
from edgeq import model as editable
from edgeq.agreement import Agreement, OutputAgreement, compare_output, find_broken
from edgeq.quantize import litert
from edgeq_device.errors import CalibrationError, GateFailed, ModelError
from edgeq_device.runtime import load
from edgeq_device.tensors import TensorSpec
from edgeq_device.tflite import parse_model
from tests.toolkit import float_models as models
from tests.toolkit.networks import Network
from tests.toolkit.test_litert import SPEC, samples

FLOAT = TensorSpec("f", (1, 4), "float32")
STEP = 0.5
BYTES = TensorSpec("q", (1, 4), "uint8", STEP, 100)


def judged(
    expected: Any, seen: Any, step: float = STEP, spec: TensorSpec = BYTES
) -> OutputAgreement:
    return compare_output(FLOAT, spec, np.asarray(expected, np.float32), np.asarray(seen), step)


def test_the_numbers_of_one_output() -> None:
    found = judged([[1.0, 2.0, -1.0, 0.0]], np.array([[102, 103, 98, 100]], np.uint8))
    # Dequantized: 1.0, 1.5, -1.0, 0.0; the one error is 0.5, a step.
    assert found.name == "q"
    assert found.sqnr_db == pytest.approx(10 * np.log10(6 / 0.25))
    assert (found.max_error, found.max_steps) == (0.5, 1.0)
    assert found.rms_steps == pytest.approx(0.5)
    assert found.top1 == 1.0
    assert (found.is_fine, found.is_lost) == (False, False)


def test_equal_outputs_have_no_noise() -> None:
    found = judged([[0.5, 0.0, 1.0, 2.0]], np.array([[101, 100, 102, 104]], np.uint8))
    assert found.sqnr_db == float("inf")
    assert (found.max_error, found.rms_steps, found.top1) == (0.0, 0.0, 1.0)
    assert found.is_fine


def test_noise_without_a_signal_is_finite_and_only_its_size_counts() -> None:
    small = judged(np.zeros((2, 4)), np.full((2, 4), 101, np.uint8))
    assert (small.sqnr_db, small.rms_steps) == (-300.0, 1.0)
    assert small.is_fine
    large = judged(np.zeros((2, 4)), np.full((2, 4), 110, np.uint8))
    assert large.is_lost


def test_a_peak_among_zeros_may_be_rounded_but_a_step_that_is_too_wide_is_no_excuse() -> None:
    peak = np.zeros((4, 64))
    peak[:, 0] = 9.0
    rounded = np.full((4, 64), 101, np.uint8)
    rounded[:, 0] = 118
    found = judged(peak, rounded)
    assert found.sqnr_db < 8
    assert found.is_fine
    wide = judged(peak / 10, np.full((4, 64), 100, np.uint8))
    assert wide.rms_steps < 0.3
    assert wide.is_lost


@pytest.mark.parametrize(("step", "fine"), [(1 / 256, True), (1 / 128, True), (1 / 200, False)])
def test_the_scale_that_softmax_prescribes_is_an_excuse(step: float, fine: bool) -> None:
    spec = TensorSpec("p", (1, 1000), "uint8", step, 0)
    expected = np.full((3, 1000), 0.001)
    found = judged(expected, np.zeros((3, 1000), np.uint8), step, spec)
    assert found.sqnr_db == pytest.approx(0, abs=1e-5)
    assert found.is_fine is fine
    assert found.is_lost is not fine


def test_a_tie_of_8_bit_scores_is_no_other_class() -> None:
    expected = [[0.1, 0.3, 0.2, 0.0], [0.9, 0.1, 0.2, 0.3]]
    seen = np.array([[100, 101, 101, 100], [100, 101, 100, 100]], np.uint8)
    assert judged(expected, seen).top1 == 0.5


def test_a_map_or_a_single_number_is_no_class_vector() -> None:
    assert judged(np.ones((2, 3, 3, 4)), np.full((2, 3, 3, 4), 102, np.uint8)).top1 is None
    assert judged(np.ones((2, 1)), np.full((2, 1), 102, np.uint8)).top1 is None
    assert judged(np.ones((2, 1, 5)), np.full((2, 1, 5), 102, np.uint8)).top1 == 1.0


@pytest.mark.parametrize(
    ("equal", "fine", "lost"),
    [(10, True, False), (9, True, False), (7, False, False), (4, False, True)],
)
def test_whole_numbers_are_compared_by_equality(equal: int, fine: bool, lost: bool) -> None:
    spec = TensorSpec("class", (1,), "int32")
    expected = np.arange(10, dtype=np.int32)[:, None]
    seen = expected + (np.arange(10) >= equal)[:, None].astype(np.int32) * 500
    found = compare_output(spec, spec, expected, seen, 0.0)
    assert found.top1 == equal / 10
    assert (found.is_fine, found.is_lost) == (fine, lost)


def test_a_model_is_as_good_as_its_worst_output() -> None:
    outputs = (
        OutputAgreement("a", 30.0, 0.1, 0.5, 1.0, 0.9),
        OutputAgreement("b", 20.0, 0.1, 0.5, 1.0, None),
        OutputAgreement("c", 40.0, 0.1, 0.5, 1.0, 0.8),
    )
    found = Agreement(5, outputs)
    assert (found.sqnr_db, found.top1) == (20.0, 0.8)
    assert Agreement(5, outputs[1:2]).top1 is None


def test_comparing_runs_both_models_on_the_samples_given_for_each() -> None:
    data = models.classifier(end="")
    fed = samples(data, 8)
    integer = load(litert.quantize(data, samples(data), SPEC), name="i")
    pairs = [((x,), (integer.inputs[0].quantize(x),)) for (x,) in fed]
    found = agreement.compare(load(data, name="f"), integer, pairs)
    reference = load(data, name="f")
    wanted = np.stack([reference.run(x)[0] for (x,) in fed])
    seen = np.stack([integer.outputs[0].dequantize(integer.run(q)[0]) for _, (q,) in pairs])
    assert found.samples == 8
    assert found.outputs[0].max_error == pytest.approx(np.abs(wanted - seen).max())
    noise = np.square(wanted - seen).sum()
    assert found.sqnr_db == pytest.approx(10 * np.log10(np.square(wanted).sum() / noise), rel=1e-5)


def test_a_float_model_that_gives_nan_is_not_compared() -> None:
    net = Network()
    data = net.build(net.op("SQRT", [net.input("x", (1, 4))], ("out", (1, 4))))
    model = load(data, name="m.tflite")
    fed = [((np.full((1, 4), value, np.float32),),) * 2 for value in (1.0, -1.0, 2.0)]
    with pytest.raises(CalibrationError) as caught:
        agreement.compare(model, model, fed)
    assert str(caught.value) == (
        "m.tflite: output 'out' of the float model is no finite number on 1 of 3 samples"
    )


def test_models_with_other_outputs_are_not_compared() -> None:
    one, other = (load(make(), name="m") for make in (models.conv_same, models.conv_valid))
    with pytest.raises(
        ModelError, match=r"its outputs hold \[144\] numbers, the float model's \[256\]"
    ):
        agreement.compare(one, other, [])


def test_the_steps_of_a_float_output_are_those_before_the_last_dequantize() -> None:
    data = models.classifier()
    uint8 = parse_model(litert.quantize(data, samples(data), SPEC), "i")
    floats = litert.LitertSpec("m", float_ends=True)
    fallback = parse_model(litert.quantize(data, samples(data), floats), "i")
    assert agreement.output_steps(uint8) == pytest.approx((1 / 256,))
    assert agreement.output_steps(fallback) == pytest.approx((1 / 256,))
    assert agreement.output_steps(parse_model(data, "f")) == (0.0,)


def pairs_of(data: bytes, integer: bytes) -> list[Any]:
    spec = load(integer, name="i").inputs[0]
    return [((x,), (spec.quantize(x),)) for (x,) in samples(data, 4)]


def test_the_operator_at_which_most_is_lost_is_found_among_good_ones() -> None:
    data = models.classifier(op="SUM", end="")
    integer = litert.quantize(data, samples(data), SPEC)
    found = find_broken(data, integer, pairs_of(data, integer))
    assert found is not None
    assert (found.op, found.tensor) == ("SUM", "reduced")
    assert found.is_broken
    assert found.before_db > 25
    assert found.after_db < 8


def test_in_a_good_model_no_operator_is_broken() -> None:
    data = models.residual()
    integer = litert.quantize(data, samples(data), SPEC)
    found = find_broken(data, integer, pairs_of(data, integer))
    assert found is None or not found.is_broken


def test_a_loss_without_a_culprit_blames_the_samples() -> None:
    # A wide output scale: the last operators lose bits, but none of them everything.
    data = models.classifier(end="")
    model = editable.read(litert.quantize(data, samples(data), SPEC))
    for tensor in model.subgraphs[0].tensors:
        if editable.tensor_name(tensor) == "logits":
            tensor.quantization.scale = np.asarray(tensor.quantization.scale, np.float32) * 50
    integer = editable.write(model)
    pairs = pairs_of(data, integer)
    lost = OutputAgreement("out", 1.0, 1.0, 30.0, 90.0, 0.1)
    with pytest.raises(GateFailed) as caught:
        agreement.accept(Agreement(4, (lost,)), data, integer, pairs)
    assert str(caught.value).startswith(
        "output 'out' has 1.0 dB against the float model; most is lost at operator 4 "
        "(QUANTIZE, 'logits'): "
    )
    assert caught.value.hint == (
        "calibrate with pictures like those of the task, preprocessed as in training"
    )


def test_fair_outputs_are_taken_with_a_remark_and_the_worst_one_named() -> None:
    data = models.residual()
    integer = litert.quantize(data, samples(data), SPEC)
    outputs = (
        OutputAgreement("good", 40.0, 0.1, 0.5, 1.0, None),
        OutputAgreement("fair", 12.0, 0.1, 4.0, 9.0, None),
        OutputAgreement("poor", 6.0, 0.1, 4.0, 9.0, None),
    )
    remark = agreement.accept(Agreement(4, outputs), data, integer, pairs_of(data, integer))
    assert remark == "output 'poor' has 6.0 dB against the float model (fair, not good)"
    assert agreement.accept(Agreement(4, outputs[:1]), b"", b"", []) == ""


def test_classes_that_differ_are_said_as_a_share() -> None:
    data = models.residual()
    integer = litert.quantize(data, samples(data), SPEC)
    outputs = (OutputAgreement("class", 5.0, 9.0, 0.0, 0.0, 0.25, is_whole=True),)
    with pytest.raises(
        GateFailed, match="^output 'class' is equal to the float model's in 25 % of"
    ):
        agreement.accept(Agreement(4, outputs), data, integer, pairs_of(data, integer))
