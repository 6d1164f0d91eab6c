"""Packing: the same bytes for the same parts, and nothing half-written whatever happens."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeq.pack import BundleParts, CompiledPart, GoldenPart, PackReport, pack
from edgeq_device import __version__
from edgeq_device.bundle import InputInfo, RuntimeInfo, open_bundle
from edgeq_device.errors import BundleError, ConfigError, OutputError
from edgeq_device.runner import Runner, RunnerOptions, open_deployment, verify
from edgeq_device.runtime import load
from edgeq_device.tflite import parse_model
from edgeq_device.transforms import Preprocessing
from tests.device.factories import conv_classifier, custom_op_model


def made_parts(compiled: bool = True) -> BundleParts:
    model = conv_classifier()
    parsed = parse_model(model, "m")
    loaded = load(model, name="m")
    inputs = np.random.RandomState(0).randint(0, 256, (3, 1, 16, 16, 3)).astype(np.uint8)
    outputs = np.stack([loaded.run(each)[0] for each in inputs])
    made_by = RuntimeInfo(loaded.runtime.name, loaded.runtime.version, os.uname().machine)
    return BundleParts(
        name="tiny",
        cpu_model=model,
        inputs=(InputInfo(parsed.input_specs()[0], Preprocessing((0.0,), (255.0,)), "model"),),
        outputs=parsed.output_specs(),
        task="classify",
        compiled=CompiledPart(custom_op_model(), "16.0.384591198", 13) if compiled else None,
        labels=("ant", "bee", "Käfer", "dog", "eel"),
        golden=GoldenPart((inputs,), (outputs,), made_by, 3),
        notes=("a note",),
        provenance={"options": {"seed": 0}, "versions": {"numpy": "1"}},
    )


@pytest.fixture(scope="module")
def parts() -> BundleParts:
    return made_parts()


def test_what_goes_in_comes_out(tmp_path: Path, parts: BundleParts) -> None:
    path = tmp_path / "tiny.edgeq"
    report = pack(parts, path)
    data = path.read_bytes()
    assert report == PackReport(path, len(data), hashlib.sha256(data).hexdigest(), report.manifest)
    with open_bundle(path) as bundle:
        assert bundle.manifest == report.manifest
        assert bundle.manifest.edgeq_version == __version__
        assert bytes(bundle.model("cpu")) == parts.cpu_model
        assert parts.compiled is not None
        assert bytes(bundle.model("edgetpu")) == parts.compiled.data
        assert bundle.labels == parts.labels
        golden = bundle.golden()
        assert golden is not None
        assert parts.golden is not None
        np.testing.assert_array_equal(golden.inputs[0], parts.golden.inputs[0])
        np.testing.assert_array_equal(golden.outputs[0], parts.golden.outputs[0])
    with open_deployment(path) as deployment:
        assert deployment.bundle is not None
        with Runner(deployment, RunnerOptions("cpu")) as runner:
            assert verify(deployment.bundle, runner).outputs[0].equal


def test_the_same_parts_give_the_same_bytes(tmp_path: Path, parts: BundleParts) -> None:
    first = pack(parts, tmp_path / "one.edgeq")
    time.sleep(0.01)
    second = pack(made_parts(), tmp_path / "two.edgeq")
    assert first.sha256 == second.sha256
    assert (tmp_path / "one.edgeq").read_bytes() == (tmp_path / "two.edgeq").read_bytes()


def test_without_what_is_optional(tmp_path: Path, parts: BundleParts) -> None:
    bare = replace(
        parts, compiled=None, labels=(), golden=None, no_golden_reason="no CPU runs its decoder"
    )
    report = pack(bare, tmp_path / "x.edgeq")
    assert [member.path for member in report.manifest.members] == ["models/cpu.tflite"]
    with open_bundle(tmp_path / "x.edgeq") as bundle:
        assert bundle.labels == ()
        assert bundle.golden() is None
        assert bundle.manifest.no_golden_reason == "no CPU runs its decoder"


def test_an_output_that_exists(tmp_path: Path, parts: BundleParts) -> None:
    path = tmp_path / "x.edgeq"
    path.write_text("mine")
    with pytest.raises(ConfigError) as caught:
        pack(parts, path)
    assert caught.value.sentence == (
        f"--output is {str(path)!r}, but must be a file that does not exist yet"
    )
    assert caught.value.hint == "--force overwrites it"
    assert path.read_text() == "mine"
    pack(parts, path, force=True)
    with open_bundle(path) as bundle:
        assert bundle.manifest.name == "tiny"
    assert [each.name for each in tmp_path.iterdir()] == ["x.edgeq"]


def test_outputs_that_cannot_be(tmp_path: Path, parts: BundleParts) -> None:
    with pytest.raises(ConfigError, match="must be a file, not a folder"):
        pack(parts, tmp_path, force=True)
    with pytest.raises(OutputError) as caught:
        pack(parts, tmp_path / "no" / "x.edgeq")
    assert caught.value.problem == "its folder does not exist"
    assert caught.value.hint == f"mkdir -p {tmp_path / 'no'}"


def test_the_file_has_the_usual_permissions(tmp_path: Path, parts: BundleParts) -> None:
    old = os.umask(0o027)
    try:
        pack(parts, tmp_path / "x.edgeq")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x.edgeq").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"no_golden_reason": "why?"}, "must hold golden or no_golden_reason, and not both"),
        ({"activation": "relu"}, 'activation is "relu", but must be one of'),
        ({"outputs": ()}, "outputs is [], but must be a list of at least 1"),
    ],
)
def test_parts_that_the_reader_refuses_leave_nothing(
    tmp_path: Path, parts: BundleParts, change: dict[str, object], problem: str
) -> None:
    with pytest.raises(BundleError) as caught:
        pack(replace(parts, **change), tmp_path / "x.edgeq")  # type: ignore[arg-type]
    assert problem in caught.value.problem
    assert list(tmp_path.iterdir()) == []


def test_golden_vectors_that_do_not_fit_the_model(tmp_path: Path, parts: BundleParts) -> None:
    assert parts.golden is not None
    wrong = replace(parts.golden, outputs=(np.zeros((3, 1, 4), np.uint8),))
    with pytest.raises(BundleError, match=r"scores needs uint8 \(3, 1, 5\)"):
        pack(replace(parts, golden=wrong), tmp_path / "x.edgeq")
    assert list(tmp_path.iterdir()) == []


def test_a_label_of_two_lines(tmp_path: Path, parts: BundleParts) -> None:
    with pytest.raises(ConfigError, match="--labels"):
        pack(replace(parts, labels=("a\nb",)), tmp_path / "x.edgeq")
    assert list(tmp_path.iterdir()) == []


CHILD = """
import resource, signal, sys, time
from pathlib import Path
from edgeq import pack
from edgeq_device.errors import OutputError
from tests.toolkit.test_pack import made_parts

parts, target = made_parts(), Path(sys.argv[1])
{before}
try:
    pack.pack(parts, target, force=True)
except OutputError as error:
    print(error.problem, "/", error.hint)
"""
FULL = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
"""
SLOW = """
whole = pack._pieces
def slowly(files, output):
    for number, piece in enumerate(whole(files, output)):
        yield piece
        if number == 4:
            print("half", flush=True)
            time.sleep(60)
pack._pieces = slowly
"""


def child(target: Path, before: str) -> list[str]:
    return [sys.executable, "-c", CHILD.format(before=before), str(target)]


def test_a_full_disk_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: write() fails in the middle."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    target = tmp_path / "x.edgeq"
    target.write_text("the old one")
    done = subprocess.run(child(target, FULL), capture_output=True, text=True, timeout=60)
    assert done.stdout == (
        "cannot be written: File too large / free some space, or write elsewhere\n"
    ), done.stderr
    assert target.read_text() == "the old one"
    assert [each.name for each in tmp_path.iterdir()] == ["x.edgeq"]


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_death_in_the_middle_leaves_no_half_bundle(
    tmp_path: Path, ending: signal.Signals
) -> None:
    target = tmp_path / "x.edgeq"
    with subprocess.Popen(
        child(target, SLOW), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(ending)
        process.wait(timeout=30)
    assert not target.exists()
    left = [each.name for each in tmp_path.iterdir()]
    if ending == signal.SIGINT:
        assert left == []
    else:
        assert [name[:9] for name in left] == [".x.edgeq."]  # never under the bundle's own name


def test_a_folder_that_cannot_be_written(tmp_path: Path, parts: BundleParts) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written: Permission denied"):
        pack(parts, tmp_path / "x.edgeq")
    tmp_path.chmod(0o700)


def test_a_packed_bundle_is_laid_out_for_mapping(tmp_path: Path, parts: BundleParts) -> None:
    data = (pack(parts, tmp_path / "x.edgeq")).path.read_bytes()
    assert parts.compiled is not None
    for model in (parts.cpu_model, parts.compiled.data):
        assert data.index(model) % 64 == 0
