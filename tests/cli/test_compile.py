"""edgeq compile and edgeq doctor, through the stand-in compiler."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeq_device.tflite import parse_model
from tests.cli.running import Ended, done, edgeq, files_in, refused
from tests.device.factories import conv_classifier
from tests.toolkit.test_compiler import STAND_IN, twin

REASON = "Operation is working on an unsupported data type"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two models; the cache is in another."""
    folder = tmp_path / "here"
    folder.mkdir()
    for name in ("a.tflite", "b.tflite"):
        (folder / name).write_bytes(conv_classifier())
    (tmp_path / "twin.bin").write_bytes(twin())
    monkeypatch.setenv("EDGEQ_FAKE_TWIN", str(tmp_path / "twin.bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("EDGEQ_FAKE_COMPILER", raising=False)
    monkeypatch.chdir(folder)
    return folder


def compile(*arguments: object, mode: str = "") -> Ended:
    env = {"EDGEQ_COMPILER": str(STAND_IN), "EDGEQ_FAKE_COMPILER": mode}
    return edgeq("compile", *arguments, env=env)


def test_one_model(place: Path) -> None:
    ended = done(compile("a.tflite"))
    assert ended.stdout == "a_edgetpu.tflite\n"
    assert "operators: 6 of 6 on the Edge TPU in 1 part\n" in ended.stderr
    assert (place / "a_edgetpu.tflite").read_bytes() == twin()
    log = (place / "a_edgetpu.log").read_text()
    assert log.startswith("Edge TPU Compiler version 16.0.384591198\n")
    assert files_in(place) == ["a.tflite", "a_edgetpu.log", "a_edgetpu.tflite", "b.tflite"]


def test_the_document(place: Path) -> None:
    document = done(compile("a.tflite", "-o", "out.tflite", "--json")).document
    assert document["schema"] == "edgeq.compilation/1"
    assert document["ok"] is True
    assert document["compiler_version"] == "16.0.384591198"
    assert {"op": "CONV_2D", "count": 1, "status": "Mapped to Edge TPU"} in document["rows"]
    assert (document["subgraphs"], document["cached"]) == (1, False)
    assert (document["cause"], document["remedy"], document["unknown_lines"]) == ("", "", [])
    assert document["log"] == (place / "out.log").read_text()
    (model,) = document["models"]
    assert (model["file"], model["operators"], model["mapped_operators"]) == ("out.tflite", 6, 6)
    again = done(compile("a.tflite", "-o", "out.tflite", "--json", "--force")).document
    assert again == {**document, "cached": True}
    anew = compile("a.tflite", "-o", "out.tflite", "--json", "--force", "--no-cache")
    assert done(anew).document == document


def test_several_models_and_segments(place: Path) -> None:
    (place / "out").mkdir()
    document = done(compile("a.tflite", "b.tflite", "-o", "out", "--json")).document
    assert [model["file"] for model in document["models"]] == [
        "out/a_edgetpu.tflite",
        "out/b_edgetpu.tflite",
    ]
    assert document["subgraphs"] == 2
    ended = done(compile("a.tflite", "--segments", 2, "-o", "out"))
    assert ended.stdout.splitlines() == [
        "out/a_segment_0_of_2_edgetpu.tflite",
        "out/a_segment_1_of_2_edgetpu.tflite",
    ]


def test_a_refusal_leaves_the_log_and_a_document(place: Path) -> None:
    ended = compile("a.tflite", "--json", mode="parse")
    assert ended.code == 1
    document = ended.document
    assert document["ok"] is False
    assert document["cause"] == "a.tflite: operator EXP version 2 is newer than the compiler"
    assert document["link"] == "https://github.com/google-coral/edgetpu/issues/845"
    assert document["compiler_version"] == "16.0.384591198"
    assert document["remedy"].startswith("the compiler knows TensorFlow Lite as of version 2.5")
    assert document["log"] == (place / "a_edgetpu.log").read_text()
    assert "error: a.tflite: operator EXP version 2" in ended.stderr
    assert not (place / "a_edgetpu.tflite").exists()


def test_a_failure_without_a_reason_is_searched(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = parse_model(conv_classifier(), "a").subgraphs[0]
    culprit = graph.operators[2]
    monkeypatch.setenv("EDGEQ_FAKE_BREAKS", graph.tensors[culprit.outputs[0]].name)
    ended = compile("a.tflite", "--json", mode="breaks")
    assert ended.code == 1
    found = ended.document["search"]
    assert (found["operator"], found["op"], found["finished"]) == (2, culprit.op, True)
    sentence = f"a.tflite: the compiler gave no reason; it stumbles on operator 2 ({culprit.op}, "
    assert ended.document["cause"].startswith(sentence)
    assert "for 300 s at most (--search-budget)" in ended.stderr
    ended = compile("a.tflite", "--json", "--search-budget", 0, mode="breaks")
    assert ended.document["search"] is None
    assert ended.document["cause"] == "a.tflite: the compiler gave no reason"


def test_garbage_keeps_the_text(place: Path) -> None:
    ended = compile("a.tflite", "--json", mode="garbage")
    assert ended.code == 1
    assert ended.document["ok"] is False
    assert ended.document["log"].endswith("\0" * 256)


def test_nothing_mapped(place: Path) -> None:
    ended = compile("a.tflite", "-q", mode="zero")
    assert ended.code == 1
    assert (
        f"error: a.tflite: nothing mapped to the Edge TPU: QUANTIZE (2): {REASON}" in ended.stderr
    )
    assert not (place / "a_edgetpu.tflite").exists()


def test_what_exists_is_kept(place: Path) -> None:
    (place / "a_edgetpu.log").write_text("mine")
    sentence = "-o is 'a_edgetpu.log', but must be a file that does not exist yet"
    refused(compile("a.tflite"), sentence, "--force overwrites it")
    assert (place / "a_edgetpu.log").read_text() == "mine"


def test_a_model_that_is_not_there(place: Path) -> None:
    refused(compile("none.tflite"), "none.tflite: does not exist", "check the path", code=1)


def test_doctor(place: Path) -> None:
    ended = done(edgeq("doctor", "--for", "build", "--compiler", STAND_IN))
    assert ended.stdout.startswith(f"yes  {STAND_IN}: edgetpu_compiler 16.0.384591198\n")
    ended = edgeq("doctor", "--json", env={"PATH": str(place)})
    assert ended.code == 4
    doors = json.loads(ended.stdout)["doors"]
    assert [(one["door"], one["works"]) for one in doors] == [
        ("binary", False),
        ("docker", False),
        ("ssh", False),
    ]
