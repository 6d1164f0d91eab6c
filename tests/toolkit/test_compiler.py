"""The door to edgetpu_compiler: how it is found and called, and what is not believed."""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

import pytest

from edgeq.compiler import (
    CompileOptions,
    OperatorRow,
    calling,
    compile_model,
    find_compiler,
    run,
)
from edgeq.compiler.find import HINT, identify
from edgeq.compiler.options import flags
from edgeq_device.errors import CompileError, InputError, MissingTool
from edgeq_device.tflite import parse_model
from tests.device.factories import (
    GraphDef,
    ModelDef,
    OpDef,
    TensorDef,
    build,
    conv_classifier,
)

STAND_IN = Path(__file__).resolve().parent.parent / "fakes" / "edgetpu_compiler"


class TestFindCompiler:
    def test_order(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        on_path, named = tmp_path / "bin" / "edgetpu_compiler", tmp_path / "named"
        on_path.parent.mkdir()
        for path in (on_path, named):
            path.write_text("#!/bin/sh\n")
            path.chmod(0o755)
        monkeypatch.setenv("PATH", str(on_path.parent))
        monkeypatch.delenv("EDGEQ_COMPILER", raising=False)
        assert find_compiler() == on_path
        monkeypatch.setenv("EDGEQ_COMPILER", str(named))
        assert find_compiler() == named
        assert find_compiler(on_path) == on_path
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("EDGEQ_COMPILER")
        assert find_compiler() is None

    def test_explicit_one_must_be_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        missing = tmp_path / "none"
        with pytest.raises(MissingTool) as caught:
            find_compiler(str(missing))
        assert str(caught.value) == f"edgetpu_compiler: {missing} does not exist"
        assert caught.value.hint == f"see --compiler; or {HINT}"
        plain = tmp_path / "plain"
        plain.write_text("text")
        monkeypatch.setenv("EDGEQ_COMPILER", str(plain))
        with pytest.raises(MissingTool) as caught:
            find_compiler()
        assert str(caught.value) == f"edgetpu_compiler: {plain} is not executable"
        assert caught.value.hint == f"see $EDGEQ_COMPILER; or {HINT}"

    def test_version(self) -> None:
        compiler = identify(STAND_IN)
        assert (compiler.version, compiler.major) == ("16.0.384591198", 16)

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"\x7fELF\x02\x01\x01" + bytes(200), "cannot be run: Exec format error"),
            (b"#!/bin/sh\nexit 3\n", "did not tell its version (exit code 3)"),
            (b"#!/no/such/shell\n", "cannot be run: No such file or directory"),
        ],
    )
    def test_some_other_program(self, tmp_path: Path, content: bytes, problem: str) -> None:
        path = tmp_path / "edgetpu_compiler"
        path.write_bytes(content)
        path.chmod(0o755)
        with pytest.raises(MissingTool) as caught:
            identify(path)
        assert str(caught.value) == f"edgetpu_compiler: {path} {problem}"


def twin() -> bytes:
    """A model with an Edge TPU program (of no meaning)."""
    graph = GraphDef(
        tensors=(
            TensorDef("pixels", (1, 16, 16, 3), "uint8", 1 / 255, 0),
            TensorDef("scores", (1, 5), "uint8", 1 / 256, 0),
        ),
        operators=(OpDef("edgetpu-custom-op", (0,), (1,), custom=True, custom_options=b"x" * 64),),
        inputs=(0,),
        outputs=(1,),
    )
    return build(ModelDef((graph,)))


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model beside a stand-in compiler that returns ``twin()`` for it."""
    for name in ("EDGEQ_FAKE_COMPILER", "EDGEQ_COMPILER"):
        monkeypatch.delenv(name, raising=False)
    result = tmp_path / "twin.tflite"
    result.write_bytes(twin())
    monkeypatch.setenv("EDGEQ_FAKE_TWIN", str(result))
    path = tmp_path / "my model: 50 %; (v2).tflite"
    path.write_bytes(conv_classifier())
    return path


def options(**changes: int) -> CompileOptions:
    return CompileOptions(compiler=STAND_IN, **changes)


class TestCompileModel:
    def test_success(self, model: Path) -> None:
        steps = []
        report = compile_model(
            model, options(), progress=lambda stage, done, total: steps.append((stage, done, total))
        )
        assert report.ok
        assert report.compiled == twin()
        assert parse_model(report.compiled, "twin").is_compiled
        assert report.input_sha256 == hashlib.sha256(conv_classifier()).hexdigest()
        assert report.output_sha256 == hashlib.sha256(twin()).hexdigest()
        assert report.compiler_version == "16.0.384591198"
        assert (report.subgraphs, report.operators, report.mapped_operators) == (1, 6, 6)
        assert set(report.rows) == {
            OperatorRow("QUANTIZE", 2, "Mapped to Edge TPU"),
            OperatorRow("CONV_2D", 1, "Mapped to Edge TPU"),
            OperatorRow("MEAN", 1, "Mapped to Edge TPU"),
            OperatorRow("FULLY_CONNECTED", 1, "Mapped to Edge TPU"),
            OperatorRow("SOFTMAX", 1, "Mapped to Edge TPU"),
        }
        assert report.cpu_rows == ()
        assert report.milliseconds == 93
        assert report.log.startswith("Edge TPU Compiler version 16.0.384591198\nStarted a ")
        assert steps == [("compile", 0, 1), ("compile", 1, 1)]

    def test_nothing_is_left_and_nothing_is_written_beside_the_model(
        self, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scratch = model.parent / "scratch"
        scratch.mkdir()
        monkeypatch.setattr(run.tempfile, "tempdir", str(scratch))
        before = sorted(model.parent.iterdir())
        compile_model(model, options())
        assert list(scratch.iterdir()) == []
        assert sorted(model.parent.iterdir()) == before

    def test_command_line(self, model: Path, tmp_path: Path) -> None:
        spy = tmp_path / "spy"
        spy.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path}/calls\nexec {sys.executable} '
            f'{STAND_IN} "$@"\n'
        )
        spy.chmod(0o755)
        compile_model(model, CompileOptions(compiler=spy, timeout=77, min_runtime_version=13))
        version, show, to, out, oldest, thirteen, timer, seconds, source = (
            (tmp_path / "calls").read_text().splitlines()
        )
        assert (version, show, to, oldest, thirteen) == ("--version", "-s", "-o", "-m", "13")
        assert (timer, seconds) == ("-t", "77")
        assert Path(source).name == "model.tflite"
        assert Path(out) == Path(source).parent / "out"

    def test_version_15_has_no_timer_and_runtime_13(
        self, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EDGEQ_FAKE_COMPILER", "old")
        report = compile_model(model, options())
        assert report.compiler_version == "15.0.340273435"
        assert flags(options(), 15) == ["-m", "13"]

    def test_nothing_mapped_is_a_value(self, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EDGEQ_FAKE_COMPILER", "zero")
        report = compile_model(model, options())
        assert (report.ok, report.compiled, report.output_sha256) == (False, None, "")
        assert (report.subgraphs, report.operators, report.mapped_operators) == (0, 6, 0)
        assert len(report.cpu_rows) == 5
        error = report.refusal("net.tflite")
        why = "Operation is working on an unsupported data type"
        assert str(error) == (
            f"net.tflite: nothing mapped to the Edge TPU: QUANTIZE (2): {why}; CONV_2D (1): {why}; "
            f"MEAN (1): {why}; and 2 more"
        )
        assert error.log == report.log
        assert error.exit_code == 1

    @pytest.mark.parametrize(
        ("mode", "problem"),
        [
            ("parse", "operator EXP version 2 is newer than the compiler"),
            ("dynamic", "the size of a tensor is computed while the model runs"),
            (
                "timeout",
                "the compiler's time limit was reached, mostly because of large activations",
            ),
            ("silent", "the compiler gave no reason"),
            ("failed-0", "the compiler gave no reason"),
            ("segfault", "the compiler crashed (segmentation fault)"),
            ("crash", "the compiler crashed (signal 11)"),
            (
                "garbage",
                "the compiler ended without an error, but printed nothing that edgeq understands",
            ),
            (
                "no-output",
                "edgetpu_compiler says that it succeeded, but wrote no compiled model",
            ),
            ("stub", "edgetpu_compiler says that it succeeded, but wrote no compiled model"),
        ],
    )
    def test_failures(
        self, model: Path, mode: str, problem: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EDGEQ_FAKE_COMPILER", mode)
        with pytest.raises(CompileError) as caught:
            compile_model(model, options())
        assert str(caught.value) == f"{model}: {problem}"
        assert caught.value.hint
        assert caught.value.log.startswith("Edge TPU Compiler version 16.0.384591198\n")

    def test_output_that_is_not_compiled_is_not_believed(
        self, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EDGEQ_FAKE_TWIN", str(model))
        with pytest.raises(CompileError, match="wrote no compiled model"):
            compile_model(model, options())

    def test_errors_use_the_name_given(self, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EDGEQ_FAKE_COMPILER", "silent")
        with pytest.raises(CompileError) as caught:
            compile_model(model, options(), name="digits.keras")
        assert str(caught.value) == "digits.keras: the compiler gave no reason"

    def test_compiler_that_hangs_is_ended_with_its_children(
        self, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pids = tmp_path / "pids"
        monkeypatch.setenv("EDGEQ_FAKE_COMPILER", "hang")
        monkeypatch.setenv("EDGEQ_FAKE_PIDS", str(pids))
        monkeypatch.setattr(run, "_GRACE", 1.5)
        with pytest.raises(CompileError) as caught:
            compile_model(model, options(timeout=1))
        assert str(caught.value) == f"{model}: edgetpu_compiler did not finish within 2.5 s"
        assert caught.value.hint == (
            "give it more time with --compile-timeout, or make the model smaller"
        )
        assert_ended(pids)

    def test_interrupt_ends_the_compiler(
        self, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pids = tmp_path / "pids"
        monkeypatch.setenv("EDGEQ_FAKE_COMPILER", "hang")
        monkeypatch.setenv("EDGEQ_FAKE_PIDS", str(pids))

        def interrupted(self: object, timeout: float, input: object) -> None:
            while not (pids.exists() and pids.read_text()):
                time.sleep(0.01)
            raise KeyboardInterrupt

        monkeypatch.setattr(calling.subprocess.Popen, "communicate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            calling.call([str(STAND_IN), "x.tflite"], tmp_path, calling.Limit(60, "x"))
        assert_ended(pids)

    def test_no_compiler(self, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(model.parent))
        with pytest.raises(MissingTool) as caught:
            compile_model(model)
        assert str(caught.value) == "edgetpu_compiler: not found on PATH"
        assert caught.value.hint == HINT
        assert caught.value.exit_code == 4

    def test_no_model(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"none\.tflite: does not exist"):
            compile_model(tmp_path / "none.tflite", options())


def assert_ended(pids: Path) -> None:
    """Both processes are gone, or about to be reaped by init."""
    for pid in pids.read_text().split():
        for _ in range(500):
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                break
            if state in "ZX":
                break
            time.sleep(0.01)
        else:
            pytest.fail(f"process {pid} still runs")
