"""TensorFlow in its own process: what it reads, what it converts, and how it fails."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edgeq.frontends import Source, TensorFlowChild, open_source
from edgeq.model import read, tensor_name
from edgeq.quantize.converter import convert
from edgeq.quantize.plan import Affine
from edgeq_device.errors import CalibrationError, ConfigError, EdgeqError, ModelError
from edgeq_device.runtime import load
from edgeq_device.tensors import Array
from edgeq_device.tflite import parse_model

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def here(keras_models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of models as the current folder, as a user would stand in it."""
    monkeypatch.chdir(keras_models)
    return keras_models


def operators(data: bytes) -> Counter[str]:
    return Counter(operator.op for operator in parse_model(data, "model").main.operators)


def run(data: bytes, *values: Array) -> tuple[Array, ...]:
    return load(data, name="model").run(*values)


def failure(name: str, child: TensorFlowChild) -> EdgeqError:
    with pytest.raises(ModelError) as caught:
        open_source(name, child=child)
    return caught.value


# ---- what comes in ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits.keras", "digits.h5"])
def test_a_keras_file_keeps_its_layers_names(
    name: str, here: Path, tensorflow_child: TensorFlowChild
) -> None:
    with open_source(name, child=tensorflow_child) as source:
        assert source.kind == "keras"
        assert [(s.name, s.shape, s.dtype) for s in source.inputs] == [
            ("image", (1, 28, 28), "float32")
        ]
        assert [(s.name, s.shape) for s in source.outputs] == [("scores", (1, 10))]
        data = source.float_model()
    parsed = parse_model(data, name)
    assert parsed.input_specs() == source.inputs
    assert parsed.output_specs() == source.outputs
    assert parsed.dynamic_tensors == ()
    assert operators(data) == {"RESHAPE": 2, "CONV_2D": 1, "MAX_POOL_2D": 1, "FULLY_CONNECTED": 1}


def test_the_fast_route_computes_what_the_guides_route_computes(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    digits = np.load("digits.npz")
    with open_source("digits.keras", child=tensorflow_child) as source:
        ours = source.float_model()
    with open_source("digits_dynamic.tflite") as guides:
        theirs = guides.float_model()
    ours_loaded, theirs_loaded = load(ours, name="ours"), load(theirs, name="theirs")
    for picture, scores in zip(digits["x"], digits["scores"], strict=True):
        (answer,) = ours_loaded.run(picture[None])
        assert answer.tobytes() == theirs_loaded.run(picture[None])[0].tobytes()
        np.testing.assert_allclose(answer[0], scores, rtol=1e-4, atol=1e-5)


def test_a_saved_model_gives_its_signatures_names(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    left, right = np.array([[1, 2, 3, 4]], "f"), np.array([[10, 20, 30, 40]], "f")
    with open_source("two_in_two_out", child=tensorflow_child) as source:
        assert source.kind == "saved-model"
        assert [s.name for s in source.inputs] == ["left", "right"]
        assert [(s.name, s.shape) for s in source.outputs] == [
            ("product", (1, 2)),
            ("total", (1, 4)),
        ]
        product, total = run(source.float_model(), left, right)
    assert total.tolist() == [[11, 22, 33, 44]]
    assert product.tolist() == [[1 + 1 + 9 - 4, -2 + 0.5 + 3 + 8]]


def test_without_a_signature_call_is_the_model(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    with open_source("no_signature", child=tensorflow_child) as source:
        assert [s.name for s in source.inputs] == ["left", "right"]
        assert sorted(s.name for s in source.outputs) == ["product", "total"]


def test_a_keras_export_is_a_saved_model(here: Path, tensorflow_child: TensorFlowChild) -> None:
    picture = np.load("digits.npz")["x"][:1]
    with open_source("digits_saved_model", child=tensorflow_child) as source:
        assert [s.name for s in source.inputs] == ["image"]
        exported = run(source.float_model(), picture)
    with open_source("digits.keras", child=tensorflow_child) as source:
        assert exported[0].tobytes() == run(source.float_model(), picture)[0].tobytes()


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("cnn", [("image", (1, 8, 8, 3))], [("scores", (1, 2))]),
        ("called_once", [("input_0", (1, 3))], [("output_0", (1, 2))]),
        ("concrete", [("values", (1, 4))], [("output_0", (1, 4))]),
        (
            "eight",
            [("left", (1, 4)), ("right", (1, 4))],
            [("total", (1, 4)), ("halves_0", (1, 4)), ("halves_1", (1, 4))],
        ),
        ("waveform", [("wave", (1000,))], [("output_0", (1, 10))]),
        ("picture_without_batch", [("picture", (20, 20, 3))], [("output_0", (20, 20, 3))]),
    ],
)
def test_a_function_may_return_any_model(
    name: str,
    inputs: list[object],
    outputs: list[object],
    here: Path,
    tensorflow_child: TensorFlowChild,
) -> None:
    with open_source(f"user_models:{name}", child=tensorflow_child) as source:
        assert source.kind == "function"
        assert [(s.name, s.shape) for s in source.inputs] == inputs
        assert [(s.name, s.shape) for s in source.outputs] == outputs
        parsed = parse_model(source.float_model(), name)
        assert [spec.shape for spec in parsed.output_specs()] == [shape for _, shape in outputs]
        assert source.digest == open_source_digest(name, tensorflow_child)


def open_source_digest(name: str, child: TensorFlowChild) -> str:
    with open_source(f"user_models:{name}", child=child) as again:
        return again.digest


def test_a_batch_of_eight_becomes_one(here: Path, tensorflow_child: TensorFlowChild) -> None:
    with open_source("batch_of_eight.keras", child=tensorflow_child) as source:
        assert source.inputs[0].shape == (1, 6, 6, 3)
        assert parse_model(source.float_model(), "model").output_specs()[0].shape == (1, 2)


def test_integers_may_come_in(here: Path, tensorflow_child: TensorFlowChild) -> None:
    with open_source("integers_in.keras", child=tensorflow_child) as source:
        assert source.inputs[0].dtype == "int32"
        ids = np.random.default_rng(0).integers(0, 10, (20, 6))
        integer = parse_model(source.convert("integer", [ids]), "model")
    assert integer.input_specs()[0].dtype == "int32"
    assert integer.output_specs()[0].dtype == "uint8"


def test_mixed_precision_is_computed_in_float32(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    with open_source("mixed_precision.keras", child=tensorflow_child) as source:
        parsed = parse_model(source.float_model(), "model")
    assert source.notes == ("computes in float32 instead of mixed precision",)
    assert {tensor.dtype for tensor in parsed.main.tensors} == {"float32", "int32"}


def test_names_that_tensorflow_refuses_stay(here: Path, tensorflow_child: TensorFlowChild) -> None:
    with open_source("odd_names.keras", child=tensorflow_child) as source:
        parsed = parse_model(source.float_model(), "model")
    assert [spec.name for spec in parsed.input_specs()] == ["_an input"]
    assert [spec.name for spec in parsed.output_specs()] == ["_o p"]


def test_an_output_given_twice_has_two_names(here: Path, tensorflow_child: TensorFlowChild) -> None:
    with open_source("same_twice.keras", child=tensorflow_child) as source:
        first, second = (spec.name for spec in source.outputs)
        assert second == f"{first}_1"
        assert len(parse_model(source.float_model(), "model").output_specs()) == 2


def test_settings_that_only_keras_2_knew_are_dropped(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    with open_source("keras_2.h5", child=tensorflow_child) as source:
        assert operators(source.float_model()) == {"DEPTHWISE_CONV_2D": 1}


# ---- the four conversions ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits_source(keras_models: Path, tensorflow_child: TensorFlowChild) -> Source:
    return open_source(keras_models / "digits.keras", child=tensorflow_child)


@pytest.mark.parametrize(
    ("mode", "inside", "dense", "size"),
    [
        ("float", "float32", "float32", 83_000),
        ("dynamic", "float32", "int8", 22_000),
        ("float-fallback", "float32", "int8", 23_000),
        ("integer", "uint8", "int8", 23_000),
    ],
)
def test_the_four_conversions(
    mode: str, inside: str, dense: str, size: int, digits_source: Source, keras_models: Path
) -> None:
    digits = np.load(keras_models / "digits.npz")
    data = digits_source.convert(mode, [digits["train"]])
    parsed = parse_model(data, mode)
    assert size < len(data) < size + 1500
    assert [s.dtype for s in (*parsed.input_specs(), *parsed.output_specs())] == [inside, inside]
    assert [s.name for s in (*parsed.input_specs(), *parsed.output_specs())] == ["image", "scores"]
    assert parsed.dynamic_tensors == ()
    (layer,) = [one for one in parsed.main.operators if one.op == "FULLY_CONNECTED"]
    weights = parsed.main.tensors[layer.inputs[1]]
    assert weights.dtype == dense
    assert len(weights.quantization.scales) == (0 if dense == "float32" else 1)
    assert layer.version <= 9  # the last one that TensorFlow 2.5 knows
    model = load(data, name=mode)
    answers = np.concatenate(
        [model.run(model.inputs[0].quantize(one[None]))[0] for one in digits["x"]]
    )
    expected = digits["scores"].argmax(1)
    assert (answers.argmax(1) == expected).mean() >= 0.98


def test_an_affine_map_goes_before_the_model(digits_source: Source, keras_models: Path) -> None:
    digits = np.load(keras_models / "digits.npz")
    to_unit = Affine(scale=(1 / 255,), offset=(0.0,))
    data = digits_source.convert("integer", [digits["train"] * 255], [to_unit])
    spec = parse_model(data, "model").input_specs()[0]
    assert (spec.zero_point, round(spec.scale, 5)) == (0, 1.0)
    model = load(data, name="model")
    pixels = np.rint(digits["x"] * 255).astype(np.uint8)
    answers = np.concatenate([model.run(one[None])[0] for one in pixels])
    assert (answers.argmax(1) == digits["scores"].argmax(1)).mean() >= 0.98


def test_an_affine_map_may_differ_by_channel(here: Path, tensorflow_child: TensorFlowChild) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.float32)
    affine = Affine(scale=(0.02, 0.01, 0.03), offset=(-1.0, 0.5, 2.0))
    with open_source("user_models:cnn", child=tensorflow_child) as source:
        plain, mapped = source.float_model(), source.convert("float", affine=[affine])
    for picture in pictures[:, None]:
        expected = run(plain, picture * np.float32(affine.scale) + np.float32(affine.offset))
        np.testing.assert_allclose(run(mapped, picture)[0], expected[0], rtol=1e-4, atol=1e-4)


def test_the_engine_takes_samples_by_name(here: Path, tensorflow_child: TensorFlowChild) -> None:
    random = np.random.default_rng(0)
    samples = {name: random.normal(size=(20, 4)).astype(np.float32) for name in ("right", "left")}
    told: list[tuple[str, int, int]] = []
    with open_source("two_in_two_out", child=tensorflow_child) as source:
        data = convert(source, samples, progress=lambda *step: told.append(step))
        with pytest.raises(CalibrationError, match="no samples for the input 'right'"):
            convert(source, {"left": samples["left"]})
    assert told[-1] == ("calibrate", 20, 20)
    parsed = parse_model(data, "model")
    assert [s.name for s in parsed.input_specs()] == ["left", "right"]
    assert {s.dtype for s in (*parsed.input_specs(), *parsed.output_specs())} == {"uint8"}


def test_samples_of_another_shape_are_refused(digits_source: Source) -> None:
    with pytest.raises(CalibrationError) as caught:
        digits_source.convert("integer", [np.zeros((3, 14, 14), np.float32)])
    assert str(caught.value).endswith(
        "samples of shape [3, 14, 14] for input 'image', which takes ['N', 28, 28]"
    )
    with pytest.raises(CalibrationError, match="has 1 inputs, but samples for 2"):
        digits_source.convert("integer", [np.zeros((3, 28, 28), np.float32)] * 2)
    with pytest.raises(ConfigError, match="mode is 'int4', but must be one of float, dynamic"):
        digits_source.convert("int4")


def test_prelu_becomes_integer(here: Path, tensorflow_child: TensorFlowChild) -> None:
    pictures = np.random.default_rng(0).normal(size=(30, 8, 8, 4)).astype(np.float32)
    with open_source("prelu.keras", child=tensorflow_child) as source:
        exact, data = source.float_model(), source.convert("integer", [pictures])
    assert operators(data) == {"QUANTIZE": 2, "CONV_2D": 1, "PRELU": 1}
    model = load(data, name="prelu")
    given, made = model.inputs[0], model.outputs[0]
    for picture in pictures[:5, None]:
        (answer,) = model.run(given.quantize(picture))
        (expected,) = run(exact, picture)
        assert np.abs(made.dequantize(answer) - expected).max() < 4 * made.scale


def test_recurrent_layers_are_unrolled_and_become_integer(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    saved = np.load("recurrent.npz")
    with open_source("recurrent.keras", child=tensorflow_child) as source:
        exact = source.float_model()
        integer = [source.convert("integer", [saved["steps"]]) for _ in range(4)]
    assert source.notes[0].startswith("unrolled recurrent layers: ")
    assert source.notes[0].count("(6 steps)") == 3
    assert len(parse_model(exact, "exact").subgraphs) == 1
    for steps, out in zip(saved["steps"], saved["out"], strict=True):
        np.testing.assert_allclose(run(exact, steps[None])[0][0], out, atol=1e-5)
    # TensorFlow's newer quantizer gives other bytes from run to run here
    assert len(set(integer)) == 1
    parsed = parse_model(integer[0], "integer")
    assert {tensor.dtype for tensor in parsed.main.tensors} <= {"uint8", "int8", "int32"}


# ---- what goes wrong --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "problem", "hint"),
    [
        (
            "custom.keras",
            "uses 'Doubled', which Keras does not know",
            "give a function instead: package.module:function that imports the custom classes "
            "and returns keras.models.load_model(path)",
        ),
        (
            "lambda.keras",
            "holds a Lambda layer, whose Python code Keras does not run from a file",
            "give a function instead: package.module:function that rebuilds the model, or "
            "returns keras.models.load_model(path, safe_mode=False)",
        ),
        (
            "only.weights.h5",
            "holds weights only, not the model",
            "save the whole model: model.save('model.keras')",
        ),
        (
            "unbuilt.keras",
            "the Keras model does not know the shape of its input",
            "begin it with keras.Input(shape), or call it once on an example",
        ),
        (
            "open_size.keras",
            "input 'picture' has the shape (1, ?, ?, 3), where ? has no fixed size",
            "give every dimension but the batch a fixed size, e.g. keras.Input((224, 224, 3))",
        ),
        (
            "text_in.keras",
            "input 'text' takes string values, which have no place on an Edge TPU",
            "do that step before the model and give edgeq the part after it",
        ),
        (
            "two_signatures",
            "has no signature serving_default (it has: first, second)",
            "save it with tf.saved_model.save(model, folder, signatures=function)",
        ),
        (
            "user_models:raises",
            "failed: ValueError: no weights here (user_models.py, line {raises})",
            "run it in Python to see all of it",
        ),
        (
            "user_models:leaves",
            "failed: SystemExit: gone (user_models.py, line {leaves})",
            "run it in Python to see all of it",
        ),
        (
            "user_models:needs_an_argument",
            "failed: TypeError: needs_an_argument() missing 1 required positional argument: 'size'",
            "run it in Python to see all of it",
        ),
        (
            "user_models:returns_nothing",
            "returned nothing (None)",
            "let it return a Keras model or a tf.function with an input_signature",
        ),
        (
            "user_models:not_a_function",
            "is a int, no function",
            "let it return a Keras model or a tf.function with an input_signature",
        ),
        (
            "user_models:nowhere",
            "user_models has no 'nowhere'",
            "name a function of that module: package.module:function",
        ),
        (
            "no_such_module:model",
            "there is no Python module 'no_such_module' in this folder or installed",
            "start edgeq in the folder that holds the module",
        ),
        (
            "user_models:no_signature",
            "the tf.function has no input_signature",
            "@tf.function(input_signature=[tf.TensorSpec([None, 224, 224, 3], tf.float32)])",
        ),
        (
            "user_models:never_called",
            "the Keras model does not know the shape of its input",
            "begin it with keras.Input(shape), or call it once on an example",
        ),
        (
            "user_models:positives",
            "the size of output 'output_0' depends on the values that go in",
            "do that step after the model and give edgeq the part before it",
        ),
    ],
)
def test_what_tensorflow_cannot_read(
    name: str, problem: str, hint: str, here: Path, tensorflow_child: TensorFlowChild
) -> None:
    lines = Path("user_models.py").read_text(encoding="utf-8").splitlines()
    numbers = {word: lines.index(f"def {word}() -> None:") + 2 for word in ("raises", "leaves")}
    error = failure(name, tensorflow_child)
    assert str(error) == f"{name}: {problem.format(**numbers)}"
    assert error.hint == hint


def test_a_built_in_batch_is_named(here: Path, tensorflow_child: TensorFlowChild) -> None:
    error = failure("user_models:eight_built_in", tensorflow_child)
    assert str(error).startswith(
        "user_models:eight_built_in: cannot be traced with batch 1: ValueError: "
        "Cannot reshape a tensor with 4 elements to shape [8,2,2]"
    )
    assert error.hint == "give the model batch size None or 1"


def test_a_layer_that_only_keras_2_had_is_named(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    error = failure("keras_2_lambda.h5", tensorflow_child)
    assert str(error).startswith("keras_2_lambda.h5: was saved by Keras 2.4.0, and Keras 3.")
    assert str(error).endswith(" cannot read it: ValueError: Unknown layer: 'TFOpLambda'")
    assert "Keras 2: model.save('folder')" in error.hint


@pytest.mark.parametrize(
    ("name", "damage", "problem"),
    [
        ("cut.keras", slice(0, 9000), "(a .keras file is a zip archive; this is none)"),
        ("cut.h5", slice(0, 9000), "(OSError: Unable to synchronously open file (truncated file"),
    ],
)
def test_a_cut_file_is_called_damaged(
    name: str, damage: slice, problem: str, here: Path, tensorflow_child: TensorFlowChild
) -> None:
    whole = Path(name.replace("cut", "digits")).read_bytes()
    Path(name).write_bytes(whole[damage])
    error = failure(name, tensorflow_child)
    assert str(error).startswith(f"{name}: is damaged or no Keras model {problem}")
    assert error.hint == "save the whole model: model.save('model.keras')"


def test_a_flipped_byte_is_called_damage(here: Path, tensorflow_child: TensorFlowChild) -> None:
    data = bytearray(Path("digits.keras").read_bytes())
    data[len(data) // 2] ^= 1
    Path("flipped.keras").write_bytes(data)
    error = failure("flipped.keras", tensorflow_child)
    assert str(error) == (
        "flipped.keras: is damaged or no Keras model "
        "(BadZipFile: Bad CRC-32 for file 'model.weights.h5')"
    )


def test_the_process_may_die_and_the_next_request_starts_another(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    error = failure("user_models:crashes", tensorflow_child)
    assert str(error).startswith(
        "user_models:crashes: TensorFlow died (signal SIGABRT) while it read the model"
    )
    assert error.hint == "load it in Python to see what crashes"
    with open_source("user_models:loop", child=tensorflow_child) as source:
        samples = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(np.float32)
        with pytest.raises(ModelError) as caught:
            source.convert("integer", [samples])
        assert "TensorFlow died (signal SIG" in str(caught.value)
        assert "while it converted the model (integer)" in str(caught.value)
        assert caught.value.hint == (
            "TensorFlow cannot convert something in it, such as the loop of a recurrent layer: "
            "use --engine litert, or give the Keras model itself, whose loops edgeq unrolls"
        )
        assert len(source.convert("float")) == len(source.float_model())


def test_a_hanging_function_is_ended_with_all_it_started(here: Path) -> None:
    with TensorFlowChild(timeout=60) as child:
        open_source("user_models:cnn", child=child).close()
        child._timeout = 1.5
        with pytest.raises(ModelError) as caught:
            open_source("user_models:hangs", child=child)
        assert str(caught.value) == (
            "user_models:hangs: TensorFlow did not finish within 1.5 s while it read the model"
        )
        folder = child.folder
    sleeper = int(Path("sleeper.pid").read_text(encoding="utf-8"))
    deadline = time.monotonic() + 10
    while is_running(sleeper) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(sleeper)
    assert not folder.exists()


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    return state != "Z"


def test_the_same_source_gives_the_same_bytes_in_another_process(
    here: Path, digits_source: Source
) -> None:
    train = np.load("digits.npz")["train"]
    modes = ("float", "dynamic", "float-fallback", "integer")
    with open_source("digits.keras") as own:
        for mode in modes:
            assert own.convert(mode, [train]) == digits_source.convert(mode, [train]), mode
        assert own.digest == digits_source.digest


def test_a_closed_source_leaves_no_process(here: Path) -> None:
    source = open_source("digits.keras")
    process = source._child._process.pid  # type: ignore[attr-defined]
    source.close()
    assert not is_running(process)


def test_ctrl_c_ends_the_process(here: Path, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from edgeq.frontends import TensorFlowChild, open_source\n"
        "with TensorFlowChild() as child:\n"
        "    print(child._process.pid, child.folder, flush=True)\n"
        "    open_source('user_models:hangs', child=child)\n"
    )
    parent = subprocess.Popen(
        [os.sys.executable, "-c", script],  # type: ignore[attr-defined]
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    process, folder = parent.stdout.readline().split()
    parent.send_signal(signal.SIGINT)
    parent.wait(30)
    parent.stdout.close()
    assert not is_running(int(process))
    assert not Path(folder).exists()


def test_inner_tensors_give_way_to_the_users_names(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    with open_source("digits.keras", child=tensorflow_child) as source:
        graph = read(source.convert("integer", [np.load("digits.npz")["train"]])).subgraphs[0]
    names = [tensor_name(tensor) for tensor in graph.tensors]
    assert len(set(names)) == len(names)
