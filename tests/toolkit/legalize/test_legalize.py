"""The frame: what runs, what is reported, what is undone, and that nothing changes for nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.legalize import PASSES, LegalizeSpec, Rewrite, Touched, legalize
from edgeq.legalize.draft import Draft
from edgeq.model import constant, set_constant
from edgeq_device.errors import ConfigError
from edgeq_device.tflite import read_model
from tests.toolkit.legalize.running import ops, quantized
from tests.toolkit.networks import Network


def plain() -> bytes:
    net = Network()
    return net.build(net.conv(net.input("x", (1, 8, 8, 3)), 4))


def grouped() -> bytes:
    net = Network()
    source = net.input("x", (1, 8, 8, 4))
    weights = net.constant("w", net.random.normal(0, 1, (4, 3, 3, 2)).astype(np.float32))
    return net.build(net.conv(source, 4, weights=weights))


def louder(draft: Draft) -> tuple[Touched, ...]:
    """A rewrite that breaks its promise: it doubles the weights."""
    operator = draft.operators[0]
    weights = draft.tensor(operator.inputs[1])
    values = constant(draft.model, weights)
    assert values is not None
    set_constant(draft.model, weights, values * 2)
    return (draft.touched(operator),)


@pytest.mark.parametrize("make", [plain, lambda: quantized(plain())], ids=["float", "integer"])
def test_a_model_that_needs_nothing_comes_back_as_the_same_bytes(make: object) -> None:
    data = make()  # type: ignore[operator]
    legal, report = legalize(data)
    assert legal == data
    assert report.rewrites == report.undone == ()


def test_a_rewrite_that_exceeds_its_promise_is_undone_and_reported() -> None:
    data = plain()
    legal, report = legalize(data, passes=(Rewrite("louder", "twice", louder),))
    assert legal == data
    assert report.rewrites == ()
    (undone,) = report.undone
    assert (undone.name, undone.operators) == ("louder", (Touched("CONV_2D", "conv"),))
    assert undone.reason.startswith("it promises the same answers, and an answer moved by ")


def test_an_inexact_rewrite_needs_leave_and_tells_its_error() -> None:
    data = plain()
    passes = (Rewrite("louder", "twice", louder, is_exact=False, max_steps=1e6),)
    assert legalize(data, passes=passes)[0] == data
    legal, report = legalize(data, (), LegalizeSpec(approximate=True), passes)
    assert legal != data
    (applied,) = report.rewrites
    assert not applied.is_exact
    # Of a float output a step is 1/256 of its largest value, and the answer doubles but for bias.
    assert 200 < applied.max_steps < 300


def test_only_and_skip_choose_rewrites_by_name() -> None:
    data = grouped()
    assert legalize(data, (), LegalizeSpec(only=("unused",)))[0] == data
    assert legalize(data, (), LegalizeSpec(skip=("grouped-convolution",)))[0] == data
    only = legalize(data, (), LegalizeSpec(only=("grouped-convolution",)))[0]
    assert [op for op, _ in ops(only)] == ["SPLIT", "CONV_2D", "CONV_2D", "CONCATENATION"]
    with pytest.raises(ConfigError, match="one of external-buffers, static-batch, "):
        legalize(data, (), LegalizeSpec(skip=("nothing",)))


def test_samples_of_the_caller_are_what_is_measured() -> None:
    zeros = (np.zeros((1, 8, 8, 3), np.float32),)
    _, report = legalize(plain(), (zeros,), passes=(Rewrite("louder", "twice", louder),))
    (applied,) = report.rewrites  # on zeros, weights do not matter
    assert applied.is_exact


def test_names_are_unique_and_summaries_are_sentence_parts() -> None:
    names = [rewrite.name for rewrite in PASSES]
    assert len(set(names)) == len(names)
    assert all(rewrite.summary and not rewrite.summary.endswith(".") for rewrite in PASSES)


CHANGED = {
    "dense_256.tflite": ["static-batch", "per-channel-dense"],
}
"""The only one of the real models that needs something, and what."""


@pytest.mark.conformance
def test_real_models_that_need_nothing_stay_as_they_are(coral: Path) -> None:
    seen = {}
    for path in sorted((coral / "models").rglob("*.tflite")):
        if "invalid" in path.parts:
            continue
        parsed = read_model(path)
        if parsed.is_compiled:
            continue
        data = bytes(parsed.data)
        legal, report = legalize(data, (), LegalizeSpec(path.name))
        assert report.undone == ()
        assert (legal != data) == bool(report.rewrites)
        seen[path.name] = [rewrite.name for rewrite in report.rewrites]
    assert len(seen) >= 10
    assert {name: done for name, done in seen.items() if done} == CHANGED
