"""The board's command line: results on stdout, all else on stderr, and the exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from edgeq_device import __version__
from edgeq_device.bundle.layout import MANIFEST
from edgeq_device.cli import APP_SETTINGS, COMMANDS, app
from edgeq_device.errors import BundleError, InputError
from tests.device.bundles import Recipe, bundle_files, write_bundle, zipped
from tests.device.factories import conv_classifier, quantize_model
from tests.device.test_hardware import Kernel

NO_COMPILED = "the bundle holds no model compiled for the Edge TPU"


@pytest.fixture(autouse=True)
def no_edge_tpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(tmp_path / "kernel")
    monkeypatch.setenv("EDGEQ_SYSFS", str(kernel.sys))
    monkeypatch.setenv("EDGEQ_DEV", str(kernel.dev))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "tiny.edgeq")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with two pictures of 40 x 30 pixels."""
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.RandomState(5)
    for name in ("one.png", "two.png"):
        pixels = random.randint(0, 256, (30, 40, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


def split_runner() -> CliRunner:
    """A runner that keeps stdout and stderr apart, which click before 8.2 does only if told."""
    try:
        return CliRunner(mix_stderr=False)
    except TypeError:
        return CliRunner()


def edgeq(*arguments: object, stdin: bytes | None = None) -> Any:
    return split_runner().invoke(app, [str(each) for each in arguments], input=stdin)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_run_prints_json_lines(bundle: Path, pictures: Path) -> None:
    done = edgeq("run", bundle, pictures, "--json", "--top-k", 2)
    assert done.exit_code == 0
    first, second = lines(done.stdout)
    assert first["schema"] == "edgeq.run/1"
    assert first["kind"] == "result"
    assert first["input"] == str(pictures / "one.png")
    assert second["input"] == str(pictures / "two.png")
    assert first["backend"] == "cpu"
    assert first["fallback_reason"] == NO_COMPILED
    assert first["milliseconds"] >= 0
    assert first["result"]["task"] == "classify"
    classes = first["result"]["classes"]
    assert len(classes) == 2
    assert set(classes[0]) == {"index", "label", "score"}
    assert classes[0]["label"] == ("ant", "bee", "cat", "dog", "eel")[classes[0]["index"]]
    assert classes[0]["score"] >= classes[1]["score"] > 0


def test_run_prints_text_and_says_once_what_runs(bundle: Path, pictures: Path) -> None:
    done = edgeq("run", bundle, pictures, "--threads", 1)
    assert done.exit_code == 0
    head, *rows = done.stdout.splitlines()
    assert head.startswith(f"{pictures / 'one.png'}  (")
    assert len(rows) == 11
    assert "%" in rows[0]
    (said,) = done.stderr.splitlines()
    assert said.startswith("backend: CPU (")
    assert said.endswith(f", 1 thread): {NO_COMPILED}")
    assert edgeq("run", bundle, pictures, "-q").stderr == ""


def test_run_takes_arrays_and_stdin(bundle: Path, pictures: Path, tmp_path: Path) -> None:
    batch = np.random.RandomState(0).randint(0, 256, (3, 16, 16, 3)).astype(np.uint8)
    np.save(tmp_path / "batch.npy", batch)
    np.save(tmp_path / "values.npy", batch.astype(np.float32) / 255)
    pixels = lines(edgeq("run", bundle, tmp_path / "batch.npy", "--json").stdout)
    values = lines(edgeq("run", bundle, tmp_path / "values.npy", "--json").stdout)
    assert [each["input"] for each in pixels] == [
        f"{tmp_path / 'batch.npy'}[{i}]" for i in range(3)
    ]
    assert [each["result"] for each in pixels] == [each["result"] for each in values]
    picture = (pictures / "one.png").read_bytes()
    (piped,) = lines(edgeq("run", bundle, "-", "--json", stdin=picture).stdout)
    (direct,) = lines(edgeq("run", bundle, pictures / "one.png", "--json").stdout)
    assert piped["input"] == "stdin"
    assert piped["result"] == direct["result"]


def test_run_gives_raw_outputs(bundle: Path, pictures: Path) -> None:
    (line,) = lines(edgeq("run", bundle, pictures / "one.png", "--json", "--task", "raw").stdout)
    assert line["result"]["task"] == "raw"
    (output,) = line["result"]["outputs"]
    assert (output["name"], output["dtype"], output["shape"]) == ("scores", "uint8", [1, 5])
    assert np.shape(output["data"]) == (1, 5)
    text = edgeq("run", bundle, pictures / "one.png", "--task", "raw").stdout
    assert "  scores  uint8 [1, 5]  [" in text


def test_run_refuses_classes_of_an_output_that_has_none(tmp_path: Path) -> None:
    model, sample = tmp_path / "map.tflite", tmp_path / "sample.npy"
    model.write_bytes(quantize_model(shape=(1, 3, 4)))
    np.save(sample, np.zeros((1, 3, 4), np.uint8))
    assert edgeq("run", model, sample).exit_code == 0
    done = edgeq("run", model, sample, "--task", "classify")
    assert (done.exit_code, done.stdout) == (1, "")
    problem = f"{model}: has outputs [[1, 3, 4]], but classes need one of [1, classes]"
    assert f"error: {problem}\nhint: --task raw\n" in done.stderr


def test_run_takes_other_labels(bundle: Path, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("0 A\n1 B\n2 C\n3 D\n4 E\n")
    arguments = (pictures / "one.png", "--json", "--labels", tmp_path / "labels.txt")
    (line,) = lines(edgeq("run", bundle, *arguments).stdout)
    best = line["result"]["classes"][0]
    assert best["label"] == "ABCDE"[best["index"]]


def test_run_saves_annotated_pictures(bundle: Path, pictures: Path, tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "deep" / "out"
    np.save(tmp_path / "batch.npy", np.zeros((2, 16, 16, 3), np.uint8))
    sources = (pictures / "one.png", pictures, tmp_path / "batch.npy")
    done = edgeq("run", bundle, *sources, "--save-dir", folder)
    assert done.exit_code == 0
    assert done.stderr.splitlines()[-1] == f"saved 5 pictures in {folder}"
    names = ["batch.npy_0.png", "batch.npy_1.png", "one-2.png", "one.png", "two.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    with Image.open(folder / "one.png") as drawn:
        assert drawn.size[0] == 360
    again = edgeq("run", bundle, pictures / "one.png", "--save-dir", folder)
    assert again.exit_code == 1
    assert f"--save-dir is '{folder / 'one.png'}', but must be" in again.stderr
    assert "hint: --force overwrites it" in again.stderr
    arguments = (pictures / "one.png", "--save-dir", folder, "--force", "--json")
    forced = edgeq("run", bundle, *arguments, "--quiet")
    assert (forced.exit_code, forced.stderr) == (0, "")
    (line,) = lines(forced.stdout)
    assert line["picture"] == str(folder / "one.png")


def test_pictures_that_are_there_are_found_before_anything_runs(
    bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "two.png").write_bytes(b"mine")
    done = edgeq("run", bundle, pictures, "--save-dir", folder)
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"--save-dir is '{folder / 'two.png'}', but must be" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["two.png"]
    raw = edgeq("run", bundle, pictures, "--save-dir", folder, "--task", "raw", "--json")
    assert raw.exit_code == 0
    assert all("picture" not in line for line in lines(raw.stdout))


def test_nothing_is_drawn_for_raw_outputs(bundle: Path, pictures: Path, tmp_path: Path) -> None:
    done = edgeq("run", bundle, pictures, "--task", "raw", "--save-dir", tmp_path / "out")
    assert done.exit_code == 0
    assert done.stderr.count("warning: --save-dir: nothing is drawn for raw outputs") == 1


def test_a_task_of_a_later_edgeq_is_said(tmp_path: Path, pictures: Path) -> None:
    bundle = write_bundle(tmp_path / "x.edgeq", Recipe(task="pose"))
    done = edgeq("run", bundle, pictures / "one.png", "--json")
    assert "does not know the bundle's task 'pose'" in done.stderr
    assert lines(done.stdout)[0]["result"]["task"] == "raw"


def test_run_on_the_edge_tpu_by_name(bundle: Path, pictures: Path) -> None:
    done = edgeq("run", bundle, pictures, "--backend", "edgetpu", "--json")
    assert done.exit_code == 4
    assert done.stdout == ""
    assert done.stderr == (
        f"error: --backend edgetpu cannot be used: {NO_COMPILED}\n"
        "hint: build it where edgetpu_compiler is installed\n"
    )


@pytest.mark.parametrize("source", ["missing.png", "missing.npy", "folder/"])
def test_inputs_that_are_missing(bundle: Path, tmp_path: Path, source: str) -> None:
    done = edgeq("run", bundle, tmp_path / source)
    assert done.exit_code == 1
    sentence = f"{tmp_path / source}: no such file or folder"
    assert f"error: {sentence}\nhint: check the path\n" in done.stderr


@pytest.mark.parametrize("command", ["run", "benchmark", "info", "verify"])
def test_a_damaged_bundle_ends_every_command(bundle: Path, pictures: Path, command: str) -> None:
    data = bytearray(bundle.read_bytes())
    data[data.index(b"labels.txt")] ^= 1
    bundle.write_bytes(data)
    inputs = (pictures,) if command == "run" else ()
    done = edgeq(command, bundle, *inputs)
    assert done.exit_code == 5
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {bundle}: ")
    assert "\nhint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_newer_bundle(tmp_path: Path, pictures: Path) -> None:
    manifest, files = bundle_files(Recipe())
    newer = manifest.to_json().replace(b'"format": 1', b'"format": 2')
    path = tmp_path / "x.edgeq"
    path.write_bytes(zipped({MANIFEST: newer, **files}))
    done = edgeq("run", path, pictures)
    assert done.exit_code == 5
    assert done.stderr == (
        f"error: {path}: made by a newer edgeq (format 2; this one reads 1)\n"
        "hint: pip install --upgrade edgeq\n"
    )


def test_info_shows_the_manifest(bundle: Path) -> None:
    done = edgeq("info", bundle)
    assert done.exit_code == 0
    assert done.stderr == ""
    page = done.stdout
    assert "made by       edgeq 0.1.0 (bundle format 1)" in page
    assert "pixels  uint8 [1, 16, 16, 3]  scale 0.00392157, zero point 0" in page
    assert "(pixel - 0) / 255, done by the model; pictures: stretch, lanczos, rgb" in page
    assert "labels        5: ant, bee, cat, …" in page
    (document,) = lines(edgeq("info", bundle, "--json").stdout)
    assert document["schema"] == "edgeq.info/1"
    assert document["bytes"] == bundle.stat().st_size
    assert document["manifest"]["models"]["cpu"]["path"] == "models/cpu.tflite"


def test_info_of_a_bare_model(tmp_path: Path) -> None:
    path = tmp_path / "x.tflite"
    path.write_bytes(conv_classifier())
    done = edgeq("info", path)
    assert "model         not compiled, 6 operators" in done.stdout
    assert "scores  uint8 [1, 5]" in done.stdout
    (document,) = lines(edgeq("info", path, "--json").stdout)
    assert document["compiled"] is False
    assert document["operators"][1] == "CONV_2D"
    assert document["inputs"][0]["shape"] == [1, 16, 16, 3]


def test_names_from_a_file_cannot_steer_the_terminal(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "x.edgeq", Recipe(labels=("\x1b[2Jant", "b", "c", "d", "e")))
    page = edgeq("info", bundle).stdout
    assert "\x1b" not in page
    assert "?[2Jant" in page


def test_verify_replays_the_golden_vectors(bundle: Path) -> None:
    done = edgeq("verify", bundle)
    assert done.exit_code == 0
    first, second, third = done.stdout.splitlines()
    assert first == f"{bundle}: 4 files match their SHA-256"
    assert second.startswith("golden vectors: 2 samples come out bit for bit (made by ")
    assert third == "  scores: equal"
    (document,) = lines(edgeq("verify", bundle, "--json").stdout)
    assert document["schema"] == "edgeq.verify/1"
    assert document["bit_for_bit"] is True


def test_verify_fails_where_they_do_not_come_out(tmp_path: Path) -> None:
    wrong = np.full((2, 1, 5), 77, np.uint8)
    bundle = write_bundle(tmp_path / "x.edgeq", Recipe(outputs=(wrong,)))
    done = edgeq("verify", bundle)
    assert done.exit_code == 5
    assert "its golden vectors do not come out: output 'scores' differs" in done.stderr


def test_verify_without_golden_vectors(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "x.edgeq", Recipe(samples=0))
    done = edgeq("verify", bundle)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1] == "golden vectors: none (left out)"
    (document,) = lines(edgeq("verify", bundle, "--json").stdout)
    assert document["bit_for_bit"] is False
    assert document["no_golden_reason"] == "left out"


def test_verify_takes_a_bundle_only(tmp_path: Path) -> None:
    model = tmp_path / "bare.tflite"
    model.write_bytes(conv_classifier())
    done = edgeq("verify", model)
    assert done.exit_code == 1
    assert done.stderr == (
        f"error: {model}: is a .tflite, not a bundle\nhint: edgeq build ... -o x.edgeq\n"
    )
    assert ".tflite" not in edgeq("verify", "--help").stdout
    assert "or a .tflite" in edgeq("info", "--help").stdout


def test_benchmark(bundle: Path) -> None:
    done = edgeq("benchmark", bundle, "--runs", 5, "--warmup", 1, "--json")
    assert done.exit_code == 0
    (document,) = lines(done.stdout)
    assert document["schema"] == "edgeq.benchmark/1"
    assert document["runs"] == 5
    runtime = document["runtime"]
    assert runtime["name"] in ("ai-edge-litert", "tflite-runtime")
    assert runtime["version"][0].isdigit()
    page = edgeq("benchmark", bundle, "--runs", 5).stdout.splitlines()
    assert page[0] == "tiny: 5 inferences after 20 of warm-up, on golden vectors"
    assert [row.split()[0] for row in page[2:6]] == ["set", "invoke", "get", "total"]


@pytest.mark.parametrize("command", [each.name for each in COMMANDS])
def test_each_help_ends_with_two_examples(command: str) -> None:
    done = edgeq(command, "--help")
    assert done.exit_code == 0
    *_, title, first, second = done.stdout.rstrip().splitlines()
    assert title.strip() == "Examples:"
    assert first.strip().startswith(f"edgeq {command} ")
    assert second.strip().startswith(f"edgeq {command} ")


def test_options_have_their_help_on_every_python() -> None:
    """Python 3.9 and an older typer lose what stands in Annotated, unless it is evaluated."""
    page = edgeq("run", "--help").stdout
    for text in ("which Edge TPU: usb, pci", "a file with one label per line", "-q, --quiet"):
        assert text in page


def test_usage_errors_are_typers_own(bundle: Path) -> None:
    done = edgeq("run", bundle)
    assert done.exit_code == 2
    assert "Missing argument" in done.stderr
    assert edgeq("run", bundle, "x.png", "--top-k", "many").exit_code == 2
    assert edgeq("nonsense").exit_code == 2


def test_version() -> None:
    done = edgeq("--version")
    assert (done.exit_code, done.stdout) == (0, f"edgeq {__version__}\n")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            InputError("a.png", "is empty", hint="give another"),
            1,
            "error: a.png: is empty\nhint: give another\n",
        ),
        (BundleError("b", "is newer"), 5, "error: b: is newer\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
        (MemoryError(), 1, "error: out of memory\n"),
        (BrokenPipeError(), 1, ""),
        (typer.Exit(3), 3, ""),
        (SystemExit(9), 9, ""),
    ],
)
def test_the_boundary(error: BaseException, code: int, said: str) -> None:
    done = split_runner().invoke(failing(error), ["fail"])
    assert done.exit_code == code
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr


def test_a_bug_shows_its_traceback() -> None:
    done = split_runner().invoke(failing(ZeroDivisionError("oh")), ["fail"])
    assert done.exit_code == 70
    assert "Traceback (most recent call last)" in done.stderr
    assert f"error: a bug in edgeq {__version__}: ZeroDivisionError: oh" in done.stderr
    assert "hint: please report it" in done.stderr


def failing(error: BaseException) -> typer.Typer:
    made = typer.Typer(**APP_SETTINGS)

    @made.command()
    def fail() -> None:
        raise error

    @made.callback()
    def group() -> None:
        pass

    return made


def in_a_process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeq_device", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_a_real_process(bundle: Path, pictures: Path) -> None:
    done = in_a_process("run", bundle, pictures, "--json")
    assert done.returncode == 0
    assert len(lines(done.stdout)) == 2
    assert done.stderr.startswith("backend: CPU (")
    assert in_a_process("verify", pictures / "one.png").returncode == 5


def test_whoever_reads_may_leave(bundle: Path, pictures: Path) -> None:
    """`edgeq run ... | head -1`: no traceback, whatever the exit code."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "edgeq_device", "run", str(bundle), str(pictures), "--json"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_full_disk_behind_stdout(bundle: Path, pictures: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "edgeq_device", "info", str(bundle)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == (
        "error: could not write: No space left on device\n"
        "hint: free some space, or write elsewhere\n"
    )


def test_text_that_the_terminal_cannot_show(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "Käfer.edgeq")
    done = in_a_process("info", bundle, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "K\\xe4fer.edgeq" in done.stdout


def test_ctrl_c(bundle: Path, tmp_path: Path) -> None:
    """Interrupted while it waits for its input."""
    command = [sys.executable, "-m", "edgeq_device", "run", str(bundle), "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said.startswith("backend: ")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, err) == ("", "stopped\n")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from edgeq_device.cli import app\n"
        "heavy = {'numpy', 'PIL', 'rich', 'ai_edge_litert', 'tflite_runtime', 'flatbuffers'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
