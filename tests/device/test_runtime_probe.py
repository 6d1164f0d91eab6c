"""Models that are not trusted, the children that try them, and what may reach stderr."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeq_device.errors import InputError, MissingTool, ModelError
from edgeq_device.runtime import (
    LoadOptions,
    Probe,
    child,
    find_runtime,
    load,
    probe,
    quiet,
)
from tests.device.factories import (
    conv_classifier,
    custom_op_model,
    dense_model,
    quantize_model,
)
from tests.device.installed import each_runtime, needs_tflite


class TestQuietBuild:
    @each_runtime
    def test_building_writes_nothing_to_stderr(
        self, runtime: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        model = load(conv_classifier(), name="c", options=LoadOptions(runtime=runtime))
        model.run(np.zeros((1, 16, 16, 3), np.uint8))
        assert capfd.readouterr().err == ""

    def test_only_information_is_dropped(self, capfd: pytest.CaptureFixture[str]) -> None:
        with quiet.quiet_build():
            os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
            os.write(2, b"ERROR: something real\nINFO: more chatter\nWARNING: half a line, ")
        os.write(2, b"INFO: not ours\n")
        assert capfd.readouterr().err == (
            "ERROR: something real\nWARNING: half a line, INFO: not ours\n"
        )

    def test_errors_pass_and_stderr_comes_back(self, capfd: pytest.CaptureFixture[str]) -> None:
        def fail() -> None:
            with quiet.quiet_build():
                os.write(2, b"before the end\n")
                raise KeyError("x")

        with pytest.raises(KeyError):
            fail()
        os.write(2, b"after\n")
        assert capfd.readouterr().err == "before the end\nafter\n"

    @each_runtime
    def test_without_stderr(self, runtime: str, tmp_path: Path) -> None:
        model = tmp_path / "q.tflite"
        model.write_bytes(quantize_model(1.0, 0, 1.0, 0))
        code = (
            "import os, sys\nos.close(2)\nsys.stderr = None\n"
            "import numpy as np\nfrom edgeq_device.runtime import LoadOptions, load\n"
            f"model = load(open({str(model)!r}, 'rb').read(), name='q',"
            f" options=LoadOptions(runtime={runtime!r}))\n"
            "print(model.run(np.array([[1, 2, 3, 4]], np.uint8))[0].tolist())\n"
        )
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
        assert done.stdout.splitlines()[-1] == b"[[1, 2, 3, 4]]"


class TestProbe:
    @each_runtime
    def test_good_model(self, runtime: str, tmp_path: Path) -> None:
        path = tmp_path / "good.tflite"
        path.write_bytes(conv_classifier())
        assert probe(path, runtime=runtime) == Probe(True)
        assert probe(conv_classifier(), name="bytes", runtime=runtime) == Probe(True)

    @each_runtime
    def test_custom_operator_is_an_answer(self, runtime: str) -> None:
        verdict = probe(custom_op_model("PosenetDecoderOp"), name="p", runtime=runtime)
        assert verdict == Probe(
            False,
            "the custom operator PosenetDecoderOp cannot run on a CPU: "
            f"{find_runtime(runtime)} does not have it",
        )

    @each_runtime
    def test_compiled_model_is_an_answer(self, runtime: str) -> None:
        assert probe(custom_op_model("edgetpu-custom-op"), name="p", runtime=runtime) == Probe(
            False, "compiled for the Edge TPU; it runs only through libedgetpu on one"
        )

    @each_runtime
    def test_refused_model(self, runtime: str, tmp_path: Path) -> None:
        path = tmp_path / "zeros.tflite"
        path.write_bytes(bytes(64))
        with pytest.raises(ModelError) as caught:
            probe(path, runtime=runtime)
        assert str(caught.value).startswith(f"{path}: {find_runtime(runtime)} cannot load it: ")

    @needs_tflite
    def test_crash_is_survived(self) -> None:
        far_away = (0x7FFFFFF0).to_bytes(4, "little")  # where the root table is said to be
        with pytest.raises(ModelError) as caught:
            probe(far_away + dense_model()[4:], name="far.tflite", runtime="tflite-runtime")
        version = importlib.metadata.version("tflite-runtime")
        assert str(caught.value) == (
            f"far.tflite: the interpreter (tflite-runtime {version}) crashed (signal 11) "
            "on this model"
        )
        assert caught.value.hint == (
            "the file is damaged, or made to do harm: get it again from its source"
        )

    def test_missing_file(self, tmp_path: Path) -> None:
        path = tmp_path / "none.tflite"
        with pytest.raises(InputError) as caught:
            probe(path)
        assert str(caught.value) == f"{path}: cannot be read: No such file or directory"

    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        place=st.integers(0, len(conv_classifier()) - 1),
        bit=st.integers(0, 7),
    )
    @each_runtime
    def test_flipped_bits_never_reach_this_process(
        self, runtime: str, place: int, bit: int
    ) -> None:
        damaged = bytearray(conv_classifier())
        damaged[place] ^= 1 << bit
        try:
            outcome: object = probe(bytes(damaged), name="damaged.tflite", runtime=runtime)
        except ModelError as error:
            outcome = error.path
        assert outcome in (Probe(True), "damaged.tflite")


def sleep_for_ever() -> None:
    child.step("sleeping")
    os.write(1, b"native code prints too\n")
    while True:
        signal_free_pause()


def signal_free_pause() -> None:
    import time

    time.sleep(60)


def abort_loudly() -> None:
    child.step("aborting")
    os.write(2, b"F driver.cc:1] the end\n")
    os.abort()


def leave_early() -> None:
    os._exit(0)


def add(first: int, second: int) -> int:
    os.write(1, b"half a line of native text")
    return first + second


class TestChild:
    def call(self, name: str, timeout: float = 30, **arguments: int) -> child.Ending:
        return child.call(f"{__name__}:{name}", arguments, given=b"", timeout=timeout)

    def test_answer(self) -> None:
        assert self.call("add", first=2, second=3) == child.Ending(5, "", "", "")

    def test_time_limit(self) -> None:
        ending = self.call("sleep_for_ever", timeout=2)
        assert (ending.answer, ending.problem) == (None, "did not end within 2 s")
        assert ending.step == "sleeping"

    def test_abort(self) -> None:
        assert self.call("abort_loudly") == child.Ending(
            None, "crashed (signal 6)", "aborting", "F driver.cc:1] the end\n"
        )

    def test_silent_end(self) -> None:
        assert self.call("leave_early").problem == "ended without an answer"

    def test_exception(self) -> None:
        ending = self.call("add", first=1)
        assert ending.problem == "failed (exit code 1)"
        assert "TypeError" in ending.stderr

    def test_other_interpreter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EDGEQ_PYTHON", f"{sys.executable} -X dev")
        assert self.call("add", first=2, second=3).answer == 5
        monkeypatch.setenv("EDGEQ_PYTHON", "/no/such/python")
        with pytest.raises(MissingTool) as caught:
            self.call("add", first=2, second=3)
        assert str(caught.value) == (
            "/no/such/python: cannot be started: No such file or directory"
        )
