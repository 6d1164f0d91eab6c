"""edgeq analyze from the command line: the table, the document, the picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import done, edgeq, files_in, process, refused
from tests.device.builder import GraphDef, ModelDef, OpDef, build
from tests.device.factories import conv_classifier, custom_op_model, float_dense_model
from tests.toolkit.one_operator import value

TABLE = """\
    1  ABS   The Edge TPU must have the operator: it has no ABS.
             -> write the layer with operators of docs/supported-ops.md, or move it to the model's
                end
    2  TANH  Only one part of a model is mapped: what waits for an operator on the CPU stays there:
             it waits for operator 1 ABS.

First blocker    operator 1 ABS; without it 1 more operator would map
Multiplications  0 on the Edge TPU, 0 on the CPU
Parameters       0 B as compiled: they fit into the Edge TPU's memory
Edge TPU 1 ops (33 %) · CPU 2 ops (67 %)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """TANH, ABS, TANH: the second is not on the Edge TPU."""
    tensors = tuple(value(f"t{number}", 1, 4) for number in range(4))
    operators = tuple(OpDef(op, (n,), (n + 1,)) for n, op in enumerate(("TANH", "ABS", "TANH")))
    path = tmp_path / "model.tflite"
    path.write_bytes(build(ModelDef((GraphDef(tensors, operators, (0,), (3,)),))))
    return path


def test_the_table_names_the_operators_on_the_cpu(model: Path) -> None:
    ended = done(edgeq("analyze", model))
    assert ended.stdout == TABLE
    assert ended.stderr == "predicted from the model alone: the compiler may do worse\n"
    assert done(edgeq("analyze", model, "-q")).stderr == ""


def test_the_document(model: Path) -> None:
    document = done(edgeq("analyze", model, "--json")).document
    assert document["schema"] == "edgeq.analysis/1"
    assert document["model"] == str(model)
    assert [(one["index"], one["op"], one["placement"]) for one in document["operators"]] == [
        (0, "TANH", "edgetpu"),
        (1, "ABS", "cpu"),
        (2, "TANH", "cpu"),
    ]
    assert [one["rule"] for one in document["operators"]] == [
        "all_rules_hold",
        "operator_exists",
        "one_part_only",
    ]
    assert all(one["reason"] for one in document["operators"])
    assert [bool(one["remedy"]) for one in document["operators"]] == [False, True, True]
    assert document["parameter_bytes"] == 0
    assert document["fit"] == "fits"
    assert document["macs"] == {"edgetpu": 0, "cpu": 0}
    assert document["operator_count"] == {"edgetpu": 1, "cpu": 2}
    assert document["blocker"]["index"] == 1
    assert document["blocker"]["gains"] == {"operators": 1, "macs": 0}
    assert document["judged_as"] == "is"


def test_a_float_model_is_read_without_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "float.tflite").write_bytes(float_dense_model())
    document = done(process("analyze", "float.tflite", "--json", cwd=tmp_path)).document
    assert document["judged_as"] == "quantized"
    assert document["macs"] == {"edgetpu": 9, "cpu": 0}
    lines = done(edgeq("analyze", tmp_path / "float.tflite")).stdout.splitlines()
    assert "A float model: its operators are judged as they will be once quantized" in lines


def test_the_picture_shows_both_colors_and_the_blocker(model: Path, tmp_path: Path) -> None:
    from edgeq.report.drawing import GREEN, RED
    from edgeq.report.graph import AMBER
    from tests.toolkit.test_pictures import count, rgb

    done(edgeq("analyze", model, "--picture", tmp_path / "graph.png"))
    pixels = rgb(tmp_path / "graph.png")
    green, amber, red = (count(pixels, color) for color in (GREEN, AMBER, RED))
    # One box against two; the frame of the blocker covers a part of its own.
    assert 1.6 < amber / green < 2.1
    assert 500 < red < green
    clean = tmp_path / "clean.tflite"
    clean.write_bytes(conv_classifier())
    done(edgeq("analyze", clean, "--picture", tmp_path / "clean.png"))
    pixels = rgb(tmp_path / "clean.png")
    assert count(pixels, AMBER) == count(pixels, RED) == 0
    assert count(pixels, GREEN) > 4 * green


def test_a_picture_that_exists_needs_force(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "graph.png"
    target.write_bytes(b"mine")
    ended = edgeq("analyze", model, "--picture", target)
    assert ended.code == 1
    assert "--force" in ended.stderr
    assert target.read_bytes() == b"mine"
    done(edgeq("analyze", model, "--picture", target, "--force"))
    assert target.read_bytes()[:4] == b"\x89PNG"
    assert files_in(tmp_path) == ["graph.png", "model.tflite"]


def test_models_that_cannot_be_analyzed(tmp_path: Path) -> None:
    compiled = tmp_path / "compiled.tflite"
    compiled.write_bytes(custom_op_model())
    refused(
        edgeq("analyze", compiled),
        f"{compiled}: is already compiled for the Edge TPU",
        "give the .tflite that it was compiled from",
    )
    ended = edgeq("analyze", tmp_path / "missing.tflite")
    assert ended.code == 1
    assert "does not exist" in ended.stderr


def test_a_build_ends_with_the_prediction(model: Path, tmp_path: Path) -> None:
    ended = done(edgeq("build", model, "-o", tmp_path / "out.edgeq"))
    *_, shared, head, _, _, tail, more, following = ended.stderr.splitlines()
    assert shared == "Edge TPU 1 ops (33 %) · CPU 2 ops (67 %), predicted"
    assert head == "    1  ABS   The Edge TPU must have the operator: it has no ABS."
    assert tail.startswith("    2  TANH  Only one part of a model is mapped")
    assert more.strip() == "it waits for operator 1 ABS."
    assert following.startswith("Next: edgeq run ")
    document = done(edgeq("build", model, "-o", tmp_path / "again.edgeq", "--json")).document
    alone = done(edgeq("analyze", model, "--json")).document
    assert document["predicted"] == {
        key: value for key, value in alone.items() if key not in ("schema", "model")
    }
