"""The search for the operator that the compiler stumbles on, and names that -i can take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.compiler import CompileOptions, compile_models, find_stumble, is_unexplained
from edgeq.compiler.naming import with_safe_names
from edgeq.compiler.search import boundary, cut_out
from edgeq_device.errors import ConfigError
from edgeq_device.runtime import load
from edgeq_device.tflite import parse_model
from tests.device.factories import conv_classifier
from tests.toolkit.test_compiler import STAND_IN, twin

PARSED = parse_model(conv_classifier(), "model")
GRAPH = PARSED.subgraphs[0]
MADE = [GRAPH.tensors[operator.outputs[0]].name for operator in GRAPH.operators]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "twin.bin").write_bytes(twin())
    monkeypatch.setenv("EDGEQ_FAKE_TWIN", str(tmp_path / "twin.bin"))
    monkeypatch.setenv("EDGEQ_FAKE_COMPILER", "breaks")
    path = tmp_path / "model.tflite"
    path.write_bytes(conv_classifier())
    return path


@pytest.mark.parametrize("culprit", range(len(MADE)))
def test_one_operator(model: Path, culprit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEQ_FAKE_BREAKS", MADE[culprit])
    found = find_stumble(model, CompileOptions(compiler=STAND_IN), 600)
    operator = GRAPH.operators[culprit]
    assert (found.operator, found.op, found.tensor) == (culprit, operator.op, MADE[culprit])
    assert (found.first, found.compiled_operators) == (culprit, culprit)
    assert found.intermediate_tensors == ((MADE[culprit - 1],) if culprit else ())
    assert found.finished
    assert found.attempts <= 6
    assert found.sentence == (
        f"it stumbles on operator {culprit} ({operator.op}, which makes {MADE[culprit]}), "
        "which fails alone"
    )


def test_two_operators_together(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEQ_FAKE_BREAKS", f"{MADE[1]},{MADE[4]}")
    found = find_stumble(model, CompileOptions(compiler=STAND_IN), 600)
    assert (found.first, found.operator, found.compiled_operators) == (1, 4, 4)
    assert found.sentence.endswith("together with the 3 operators before it")


def test_the_budget_ends_it(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEQ_FAKE_BREAKS", MADE[3])
    found = find_stumble(model, CompileOptions(compiler=STAND_IN), 0)
    assert (found.attempts, found.finished) == (0, False)
    assert found.sentence == (
        f"it stumbles between operator 0 and operator {len(MADE) - 1} "
        f"({GRAPH.operators[-1].op}, which makes {MADE[-1]}); "
        "more time finds the place: --search-budget"
    )


def test_parts_in_a_row_compute_what_the_whole_does(model: Path) -> None:
    middle = len(MADE) // 2
    (spec,) = PARSED.input_specs()
    given = np.arange(np.prod(spec.shape), dtype=np.int64).astype(spec.dtype).reshape(spec.shape)
    whole = load(conv_classifier(), name="whole").run(given)
    between = load(cut_out(model, PARSED, 0, middle), name="first").run(given)
    ended = load(cut_out(model, PARSED, middle, len(MADE)), name="second").run(*between)
    np.testing.assert_array_equal(ended[0], whole[0])
    assert len(np.unique(whole[0])) > 1


def test_the_end_of_the_whole_is_its_outputs() -> None:
    assert boundary(PARSED, 0, len(MADE)) == (MADE[-1],)


@pytest.mark.parametrize(
    ("log", "unexplained"),
    [
        ("Compilation failed! \n", True),
        ("Internal compiler error. Aborting! \n", True),
        ("line 3:  1531 Segmentation fault      (core dumped)", True),
        ("Compilation failed: Compilation failed due to large activation tensors in model.", True),
        ("ERROR: Didn't find op for builtin opcode 'EXP' version '2'.\nCompilation failed!", False),
        ("loc(\"x\"): error: 'tfl.reshape' op quantization\nInternal compiler error.", False),
        ("Model not quantized\n", False),
        ("", False),
        ("some other program", False),
    ],
)
def test_what_is_searched_for(log: str, unexplained: bool) -> None:
    assert is_unexplained(log) is unexplained


class TestNames:
    def test_safe_ones_leave_the_model_as_it_is(self) -> None:
        data = conv_classifier()
        assert with_safe_names(data, Path("m"), [MADE[2]]) == (data, (MADE[2],), {})

    def test_unsafe_ones_are_changed_with_a_table(self) -> None:
        data = conv_classifier()
        old = MADE[2].encode()
        unsafe = old[:-1] + b":"
        assert data.count(old) == 1
        data = data.replace(old, unsafe)
        safe, wanted, originals = with_safe_names(data, Path("m"), [unsafe.decode()])
        assert list(originals.values()) == [unsafe.decode()]
        assert wanted == tuple(originals)
        names = [tensor.name for tensor in parse_model(safe, "m").subgraphs[0].tensors]
        assert wanted[0] in names
        assert not any(":" in name for name in names)
        (spec,) = PARSED.input_specs()
        given = np.full(spec.shape, 7, spec.dtype)
        np.testing.assert_array_equal(
            load(safe, name="a").run(given)[0], load(data, name="b").run(given)[0]
        )

    def test_no_such_tensor(self, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        options = CompileOptions(compiler=STAND_IN, intermediate_tensors=(("nothing",),))
        with pytest.raises(ConfigError) as caught:
            compile_models((model,), options)
        assert str(caught.value) == (
            f"--intermediate-tensors is 'nothing', but must be the name of a tensor of {model}"
        )

    def test_the_report_has_the_table(self, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        unsafe = MADE[2][:-1] + ":"
        model.write_bytes(conv_classifier().replace(MADE[2].encode(), unsafe.encode()))
        monkeypatch.setenv("EDGEQ_FAKE_BREAKS", MADE[4])
        options = CompileOptions(compiler=STAND_IN, intermediate_tensors=((unsafe,),))
        (report,) = compile_models((model,), options)
        assert report.ok
        assert [original for _, original in report.renamed_tensors] == [unsafe]
