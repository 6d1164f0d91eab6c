"""The door to interpreters: which one, what it runs, what it refuses, and what it must survive."""

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

from edgeq_device.errors import ConfigError, InputError, MissingTool, ModelError
from edgeq_device.runtime import (
    RUNTIMES,
    LoadOptions,
    Probe,
    Runtime,
    child,
    find,
    find_runtime,
    load,
    probe,
    quiet,
)
from edgeq_device.runtime.find import install_command
from edgeq_device.runtime.trouble import UnresolvedCustomOp, explain
from tests.device.factories import (
    GraphDef,
    ModelDef,
    OpDef,
    TensorDef,
    build,
    conv_classifier,
    dense_model,
    float_dense_model,
    quantize_model,
)

LITERT = 'pip install "ai-edge-litert>=2.1.6,<2.4"'
MODULES = {"ai-edge-litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}


def installed(name: str) -> bool:
    return importlib.util.find_spec(MODULES[name]) is not None


HERE = [name for name in RUNTIMES if installed(name)]
needs_litert = pytest.mark.skipif(RUNTIMES[0] not in HERE, reason="no ai-edge-litert here")
needs_tflite = pytest.mark.skipif(RUNTIMES[1] not in HERE, reason="no tflite-runtime here")


@pytest.fixture(params=HERE)
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def custom_op_model(name: str) -> bytes:
    graph = GraphDef(
        tensors=(TensorDef("x", (1, 4), "float32"), TensorDef("y", (1, 4), "float32")),
        operators=(OpDef(name, (0,), (1,), custom=True),),
        inputs=(0,),
        outputs=(1,),
    )
    return build(ModelDef((graph,)))


class TestFindRuntime:
    def test_prefers_ai_edge_litert(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("EDGEQ_RUNTIME", raising=False)
        assert find_runtime().name == HERE[0]

    def test_by_name_and_version(self, runtime: str) -> None:
        found = find_runtime(runtime)
        assert found == Runtime(runtime, importlib.metadata.version(runtime))
        assert str(found) == f"{runtime} {found.version}"

    def test_environment_chooses_where_no_option_does(
        self, runtime: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EDGEQ_RUNTIME", runtime)
        assert find_runtime().name == runtime
        monkeypatch.setenv("EDGEQ_RUNTIME", "tf.lite")
        with pytest.raises(ConfigError) as caught:
            find_runtime()
        assert str(caught.value) == (
            "$EDGEQ_RUNTIME is 'tf.lite', but must be ai-edge-litert or tflite-runtime"
        )
        assert find_runtime(runtime).name == runtime

    def test_missing_names_the_pip_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("EDGEQ_RUNTIME", raising=False)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(MissingTool) as caught:
            find_runtime()
        assert caught.value.exit_code == 4
        assert str(caught.value) == (
            "runtime: neither ai-edge-litert nor tflite-runtime is installed"
        )
        assert caught.value.hint == install_command()
        assert caught.value.hint.startswith("pip install ")

    @pytest.mark.parametrize(
        ("python", "machine", "name", "command"),
        [
            ((3, 9), "x86_64", None, 'pip install tflite-runtime "numpy<2"'),
            ((3, 11), "x86_64", None, LITERT),
            ((3, 11), "x86_64", "tflite-runtime", 'pip install tflite-runtime "numpy<2"'),
            ((3, 13), "aarch64", None, LITERT),
            ((3, 11), "armv7l", None, 'pip install tflite-runtime "numpy<2"'),
            ((3, 13), "armv7l", None, ""),
            ((3, 13), "x86_64", "tflite-runtime", ""),
            ((3, 9), "x86_64", "ai-edge-litert", ""),
        ],
    )
    def test_install_command(
        self,
        python: tuple[int, int],
        machine: str,
        name: str | None,
        command: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(find.sys, "version_info", (*python, 0, "final", 0))
        monkeypatch.setattr(find.sys, "platform", "linux")
        monkeypatch.setattr(find.platform, "machine", lambda: machine)
        assert install_command(name) == command

    @pytest.mark.parametrize(
        ("python", "name", "hint"),
        [
            (
                (3, 13),
                "tflite-runtime",
                "PyPI has no tflite-runtime for Python 3.13 on x86_64; "
                f"use the other runtime: {LITERT}",
            ),
            (
                (3, 9),
                "ai-edge-litert",
                "PyPI has no ai-edge-litert for Python 3.9 on x86_64; "
                'use the other runtime: pip install tflite-runtime "numpy<2"',
            ),
        ],
    )
    def test_the_other_runtime_is_named_where_one_has_no_package(
        self, python: tuple[int, int], name: str, hint: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        monkeypatch.setattr(find.sys, "version_info", (*python, 0, "final", 0))
        monkeypatch.setattr(find.sys, "platform", "linux")
        monkeypatch.setattr(find.platform, "machine", lambda: "x86_64")
        with pytest.raises(MissingTool) as caught:
            find_runtime(name)
        assert str(caught.value) == f"{name}: not installed"
        assert caught.value.hint == hint

    @needs_tflite
    def test_numpy_2_is_refused_before_tflite_runtime_is_imported(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code = (
            "import sys, numpy; numpy.__version__ = '2.1.0'\n"
            "from edgeq_device.errors import MissingTool\n"
            "from edgeq_device.runtime import find_runtime\n"
            "try: find_runtime('tflite-runtime')\n"
            "except MissingTool as error: print(error); print(error.hint)\n"
            "print('tflite_runtime.interpreter' in sys.modules)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        version = importlib.metadata.version("tflite-runtime")
        assert done.stdout.splitlines() == [
            f"tflite-runtime: version {version} does not work with numpy 2.1.0",
            'pip install "numpy<2"',
            "False",
        ]

    def test_broken_package_is_said_by_name(self, tmp_path: Path) -> None:
        package = tmp_path / "ai_edge_litert"
        package.mkdir()
        (package / "__init__.py").write_text("__version__ = '2.0.0'\n")
        (package / "interpreter.py").write_text("raise ImportError('GLIBC_2.99 not found')\n")
        code = (
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
            "from edgeq_device.errors import MissingTool\n"
            "from edgeq_device.runtime import find_runtime\n"
            "try: find_runtime('ai-edge-litert').module()\n"
            "except MissingTool as error: print(error); print(error.hint)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        sentence, hint = done.stdout.splitlines()
        assert sentence == (
            "ai-edge-litert: version 2.0.0 is installed but cannot be loaded: GLIBC_2.99 not found"
        )
        assert hint.endswith("or choose the other one with --runtime tflite-runtime")


class TestLoadedModel:
    def test_dense_layer_gives_the_exact_integers(self, runtime: str) -> None:
        weights = np.zeros((4, 8), np.int8)
        weights[np.arange(4), np.arange(4)] = [16, 32, 64, 127]
        model = load(
            dense_model(weights), name="dense.tflite", options=LoadOptions(runtime=runtime)
        )
        pixels = np.array([[255, 255, 255, 255, 9, 9, 9, 9]], np.uint8)
        (scores,) = model.run(pixels)
        # 255 is 1.0; weights are in 64ths, outputs in 16ths above 128.
        assert scores.tolist() == [[132, 136, 144, 160]]
        assert scores.dtype == np.uint8

    def test_specs(self, runtime: str) -> None:
        model = load(conv_classifier(), name="c", options=LoadOptions(runtime=runtime))
        (pixels,) = model.inputs
        (scores,) = model.outputs
        assert (pixels.name, pixels.shape, pixels.dtype) == ("pixels", (1, 16, 16, 3), "uint8")
        assert pixels.scale == pytest.approx(1 / 255, rel=1e-6)
        assert pixels.zero_point == 0
        assert (scores.name, scores.shape, scores.scale) == ("scores", (1, 5), 1 / 256)
        assert model.runtime.name == runtime

    def test_float_model(self, runtime: str) -> None:
        model = load(float_dense_model(), name="f", options=LoadOptions(runtime=runtime))
        assert model.inputs[0].scale == 0.0
        (out,) = model.run(np.array([[1.5, -2.0, 0.25]], np.float32))
        assert out.tolist() == [[1.5, -2.0, 0.25]]

    def test_results_are_copies(self, runtime: str) -> None:
        model = load(quantize_model(1.0, 0, 1.0, 0), name="q", options=LoadOptions(runtime=runtime))
        (first,) = model.run(np.array([[1, 2, 3, 4]], np.uint8))
        (second,) = model.run(np.array([[5, 6, 7, 8]], np.uint8))
        assert first.tolist() == [[1, 2, 3, 4]]
        assert second.tolist() == [[5, 6, 7, 8]]

    def test_array_that_is_not_contiguous(self, runtime: str) -> None:
        model = load(quantize_model(1.0, 0, 1.0, 0), name="q", options=LoadOptions(runtime=runtime))
        every_other = np.arange(8, dtype=np.uint8)[None, ::2]
        assert model.run(every_other)[0].tolist() == [[0, 2, 4, 6]]

    @pytest.mark.parametrize(
        ("array", "problem"),
        [
            (np.zeros((1, 4), np.float32), "got float32 [1, 4]"),
            (np.zeros((1, 5), np.uint8), "got uint8 [1, 5]"),
            (np.zeros(4, np.uint8), "got uint8 [4]"),
        ],
    )
    def test_wrong_array(self, array: np.ndarray, problem: str) -> None:
        model = load(quantize_model(), name="q.tflite")
        with pytest.raises(InputError) as caught:
            model.run(array)
        assert str(caught.value) == f"q.tflite: input 'pixels' takes uint8 [1, 4], {problem}"

    def test_wrong_count(self) -> None:
        model = load(quantize_model(), name="q.tflite")
        array = np.zeros((1, 4), np.uint8)
        with pytest.raises(InputError, match=r"q\.tflite: takes 1 input array\(s\), got 2"):
            model.run(array, array)

    def test_threads(self) -> None:
        usable = len(os.sched_getaffinity(0))
        assert load(quantize_model(), name="q").threads == usable
        assert load(quantize_model(), name="q", options=LoadOptions(threads=1)).threads == 1

    def test_every_tensor_can_be_kept(self, runtime: str) -> None:
        options = LoadOptions(runtime=runtime, preserve_all=True)
        model = load(dense_model(), name="d", options=options)
        model.run(np.full((1, 8), 200, np.uint8))
        assert model.tensor(1).tolist() == [[72] * 8]  # uint8 200 as int8

    @needs_litert
    def test_profile_runs_each_operator_for_itself(self) -> None:
        plain = load(conv_classifier(), name="c", options=LoadOptions(runtime="ai-edge-litert"))
        options = LoadOptions(runtime="ai-edge-litert", profile=True)
        single = load(conv_classifier(), name="c", options=options)
        picture = np.random.RandomState(3).randint(0, 256, (1, 16, 16, 3)).astype(np.uint8)
        difference = plain.run(picture)[0].astype(int) - single.run(picture)[0]
        assert np.abs(difference).max() <= 1
        delegates = [
            [op["op_name"] for op in model.interpreter._get_ops_details()].count("DELEGATE")
            for model in (plain, single)
        ]
        assert delegates[0] == 1
        assert delegates[1] > 1

    @needs_tflite
    def test_profile_needs_ai_edge_litert(self) -> None:
        options = LoadOptions(runtime="tflite-runtime", profile=True)
        with pytest.raises(MissingTool, match="ai-edge-litert: observing each operator needs it"):
            load(quantize_model(), name="q", options=options)


class TestRefusals:
    def test_custom_operator(self, runtime: str) -> None:
        with pytest.raises(UnresolvedCustomOp) as caught:
            load(
                custom_op_model("PosenetDecoderOp"),
                name="pose.tflite",
                options=LoadOptions(runtime=runtime),
            )
        assert str(caught.value) == (
            "pose.tflite: the custom operator PosenetDecoderOp cannot run on a CPU: "
            f"{find_runtime(runtime)} does not have it"
        )
        assert caught.value.op == "PosenetDecoderOp"

    def test_newer_operator(self, runtime: str) -> None:
        graph = GraphDef(
            tensors=(
                TensorDef("x", (1, 4), "uint8", 1.0, 0),
                TensorDef("y", (1, 4), "uint8", 1.0, 0),
            ),
            operators=(OpDef("QUANTIZE", (0,), (1,), (89, {}), version=99),),
            inputs=(0,),
            outputs=(1,),
        )
        with pytest.raises(ModelError) as caught:
            load(build(ModelDef((graph,))), name="n", options=LoadOptions(runtime=runtime))
        assert str(caught.value) == (
            f"n: operator QUANTIZE version 99 is not in {find_runtime(runtime)}"
        )
        assert caught.value.hint == "use a newer runtime, or convert the model for an older one"

    def test_operator_that_cannot_be_prepared_is_named(self, runtime: str) -> None:
        graph = GraphDef(
            tensors=(
                TensorDef("x", (1, 4), "uint8", 1.0, 0),
                TensorDef("y", (1, 4), "uint8", 1.0, 0),
            ),
            operators=(OpDef("QUANTIZE", (0, 0), (1,), (89, {})),),
            inputs=(0,),
            outputs=(1,),
        )
        with pytest.raises(ModelError) as caught:
            load(build(ModelDef((graph,))), name="m", options=LoadOptions(runtime=runtime))
        assert str(caught.value) == (
            f"m: {find_runtime(runtime)} cannot prepare operator 0 (QUANTIZE): "
            "NumInputs(node) != 1 (2 != 1)"
        )

    def test_too_much_memory(self, runtime: str) -> None:
        error = explain("m", find_runtime(runtime), MemoryError("std::bad_alloc"))
        assert str(error) == "m: it needs more memory than there is"

    def test_flex_operators(self, runtime: str) -> None:
        text = "Select TensorFlow op(s), included in the given model, is(are) not supported"
        error = explain("m", find_runtime(runtime), RuntimeError(text))
        assert error.problem == (
            f"it has TensorFlow operators, which {find_runtime(runtime)} does not have"
        )


class TestQuietBuild:
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
    def test_good_model(self, runtime: str, tmp_path: Path) -> None:
        path = tmp_path / "good.tflite"
        path.write_bytes(conv_classifier())
        assert probe(path, runtime=runtime) == Probe(True)
        assert probe(conv_classifier(), name="bytes", runtime=runtime) == Probe(True)

    def test_custom_operator_is_an_answer(self, runtime: str) -> None:
        verdict = probe(custom_op_model("PosenetDecoderOp"), name="p", runtime=runtime)
        assert verdict == Probe(
            False,
            "the custom operator PosenetDecoderOp cannot run on a CPU: "
            f"{find_runtime(runtime)} does not have it",
        )

    def test_compiled_model_is_an_answer(self, runtime: str) -> None:
        assert probe(custom_op_model("edgetpu-custom-op"), name="p", runtime=runtime) == Probe(
            False, "compiled for the Edge TPU; it runs only through libedgetpu on one"
        )

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


def test_pip_command_agrees_with_the_package() -> None:
    pyproject = Path(__file__).resolve().parents[2] / "pyproject.toml"
    assert f'"{find.LITERT_REQUIREMENT}; python_version' in pyproject.read_text()
