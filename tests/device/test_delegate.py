"""The door to libedgetpu, tried on a stand-in library; no test here touches an Edge TPU."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgeq_device.delegate import (
    DelegateOptions,
    Unusable,
    Usable,
    find_libedgetpu,
    load_delegate,
    probe_edgetpu,
)
from edgeq_device.errors import MissingTool
from edgeq_device.runtime import LoadOptions, find_runtime, load
from tests.device.factories import custom_op_model

SOURCE = Path(__file__).resolve().parent.parent / "fakes" / "libedgetpu.c"


def compile_c(source: Path, target: Path) -> str:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here to build the stand-in library")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(target), str(source)], check=True)
    return str(target)


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> str:
    return compile_c(SOURCE, tmp_path_factory.mktemp("lib") / "libedgetpu.so.1")


def attempt(library: str, timeout: float = 20) -> Usable | Unusable:
    options = DelegateOptions(library=library, device="usb:0", timeout=timeout)
    return probe_edgetpu(custom_op_model(), name="m.tflite", options=options)


def test_works_in_the_child_then_here(
    stand_in: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("EDGEQ_FAKE_TPU", raising=False)
    verdict = attempt(stand_in)
    assert verdict == Usable(
        stand_in, "BuildLabel(stand-in), RuntimeVersion(14)", "usb:0", find_runtime()
    )
    assert capfd.readouterr().err == ""
    assert isinstance(verdict, Usable)
    delegate = load_delegate(verdict)
    assert capfd.readouterr().err == "I stand-in.c:1] option device=usb:0\n"
    model = load(custom_op_model(), name="m.tflite", options=LoadOptions(delegate=delegate))
    (result,) = model.run(np.array([[1, 2, 3, 4]], np.uint8))
    assert (result.shape, result.dtype) == ((1, 4), np.uint8)
    model.close()


@pytest.mark.parametrize(
    ("mode", "reason", "hint"),
    [
        (
            "old",
            "{library} is too old: RuntimeVersion(13), at least 14 is needed",
            "apt install libedgetpu1-std (release 16.0)",
        ),
        (
            "null",
            "libedgetpu did not open the Edge TPU usb:0: "
            "Permission denied: USB error -3 [OpenDevice]",
            "",
        ),
        (
            "abort",
            "opening the Edge TPU through libedgetpu.so.1 crashed the interpreter (signal 6): "
            "Not found: USB transfer error 5",
            "unplug the device and plug it in again",
        ),
        (
            "segfault",
            "building the interpreter with libedgetpu.so.1 crashed the interpreter (signal 11)",
            "this libedgetpu does not fit {runtime}; try --runtime {other}",
        ),
        (
            "refuse",
            "libedgetpu does not run this model: m.tflite: {runtime} cannot run operator 1 "
            "(StandInForEdgeTpu): the stand-in refuses",
            "",
        ),
        (
            "exit",
            "building the interpreter with libedgetpu.so.1 ended without an answer",
            "",
        ),
    ],
)
def test_failures(
    stand_in: str, mode: str, reason: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEQ_FAKE_TPU", mode)
    runtime = find_runtime()
    other = {"ai-edge-litert": "tflite-runtime", "tflite-runtime": "ai-edge-litert"}[runtime.name]
    facts = {"library": stand_in, "runtime": runtime, "other": other}
    assert attempt(stand_in) == Unusable(reason.format(**facts), hint.format(**facts))


def test_device_that_never_answers(stand_in: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEQ_FAKE_TPU", "hang")
    assert attempt(stand_in, timeout=2) == Unusable(
        "the first inference through libedgetpu.so.1 did not end within 2 s",
        "unplug the device and plug it in again",
    )


def test_system_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEQ_LIBEDGETPU", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    name = find_libedgetpu()
    assert name == "libedgetpu.so.1"
    if (
        Path("/etc/ld.so.cache").exists()
        and b"libedgetpu.so.1" in Path("/etc/ld.so.cache").read_bytes()
    ):
        pytest.skip("libedgetpu is installed on this machine")
    assert probe_edgetpu(custom_op_model()) == Unusable(
        "libedgetpu.so.1 is not installed", "apt install libedgetpu1-std"
    )


@pytest.mark.parametrize(
    ("platform", "name"),
    [("linux", "libedgetpu.so.1"), ("darwin", "libedgetpu.1.dylib"), ("win32", "edgetpu.dll")],
)
def test_name_of_the_system_library(
    platform: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGEQ_LIBEDGETPU", raising=False)
    monkeypatch.setattr("sys.platform", platform)
    assert find_libedgetpu() == name


def test_explicit_library_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEQ_LIBEDGETPU", str(tmp_path / "nothing.so"))
    with pytest.raises(MissingTool) as caught:
        probe_edgetpu(custom_op_model())
    assert str(caught.value) == f"libedgetpu: {tmp_path / 'nothing.so'} does not exist"
    assert caught.value.hint == "see $EDGEQ_LIBEDGETPU"
    with pytest.raises(MissingTool) as caught:
        find_libedgetpu(str(tmp_path / "other.so"))
    assert caught.value.hint == "see --libedgetpu"


def test_environment_names_the_library(stand_in: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEQ_LIBEDGETPU", stand_in)
    assert find_libedgetpu() == stand_in


def test_file_that_is_no_library(tmp_path: Path) -> None:
    path = tmp_path / "libedgetpu.so.1"
    path.write_bytes(b"not a library")
    verdict = attempt(str(path))
    assert isinstance(verdict, Unusable)
    assert verdict.reason.startswith(f"{path} cannot be loaded: ")


def test_some_other_library(tmp_path: Path) -> None:
    source = tmp_path / "other.c"
    source.write_text("int other(void) { return 1; }\n")
    library = compile_c(source, tmp_path / "other.so")
    assert attempt(library) == Unusable(f"{library} is not libedgetpu: it has no edgetpu_version")


def test_libusb_is_missing(tmp_path: Path) -> None:
    source = tmp_path / "part.c"
    source.write_text("int part(void) { return 1; }\n")
    usb = compile_c(source, tmp_path / "libusb-9.9.so.0")
    compiler = shutil.which("gcc") or shutil.which("cc")
    library = str(tmp_path / "libedgetpu.so.1")
    linked = ["-Wl,--no-as-needed", f"-L{tmp_path}", "-l:libusb-9.9.so.0"]
    subprocess.run(
        [str(compiler), "-shared", "-fPIC", "-o", library, str(SOURCE), *linked], check=True
    )
    Path(usb).unlink()
    assert attempt(library) == Unusable(
        f"{library} needs libusb-9.9.so.0, which is not installed", "apt install libusb-1.0-0"
    )


def test_library_that_crashes_while_it_is_loaded(tmp_path: Path) -> None:
    source = tmp_path / "crash.c"
    source.write_text(
        "#include <signal.h>\n"
        "__attribute__((constructor)) static void start(void) { raise(SIGSEGV); }\n"
    )
    library = compile_c(source, tmp_path / "libedgetpu.so.1")
    verdict = attempt(library)
    assert isinstance(verdict, Unusable)
    assert verdict.reason == "loading libedgetpu.so.1 crashed the interpreter (signal 11)"
