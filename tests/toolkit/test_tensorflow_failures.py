"""What TensorFlow cannot read, in a sentence with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeq.frontends import TensorFlowChild
from tests.toolkit.opened import failure

pytestmark = pytest.mark.tensorflow


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
