"""Bundles that are damaged or hostile: exit code 5 from every command that takes one."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeq_device.bundle import open_bundle
from tests.cli import models
from tests.cli.conftest import Workshop
from tests.cli.running import edgeq, process, refused
from tests.device.bundles import plain_zip, zipped

DAMAGED = "the file is damaged or was altered: copy it again, or build it again"
COMMANDS = ("run", "evaluate", "benchmark", "info", "verify")
Members = dict[str, bytes]


def run_on(command: str, bundle: Path, shop: Workshop, folder: Path):
    np.save(folder / "one.npy", models.digits()[0][0])
    options = {"run": [folder / "one.npy"], "evaluate": ["--data", shop.test]}
    return edgeq(command, bundle, *options.get(command, []))


def members(bundle: Path) -> Members:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def climbing(files: Members) -> bytes:
    return plain_zip([*files.items(), ("../../evil.txt", b"boo")])


def twice(files: Members) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile warns of what we do on purpose
        return plain_zip([*files.items(), ("models/cpu.tflite", b"other")])


def bomb(files: Members) -> bytes:
    return plain_zip([*files.items(), ("zeros.bin", bytes(80_000_000))], zipfile.ZIP_DEFLATED)


def newer(files: Members) -> bytes:
    manifest = {**json.loads(files["manifest.json"]), "format": 2}
    return zipped({**files, "manifest.json": json.dumps(manifest).encode()})


def other_model(files: Members) -> bytes:
    data = files["models/cpu.tflite"]
    return zipped({**files, "models/cpu.tflite": data[:-1] + bytes([data[-1] ^ 1])})


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("make", "problem", "hint"),
    [
        (climbing, "the name '../../evil.txt'", ""),
        (twice, "the name 'models/cpu.tflite' stands twice in it", ""),
        (bomb, "(a zip bomb?)", ""),
        (
            newer,
            "made by a newer edgeq (format 2; this one reads 1)",
            "pip install --upgrade edgeq",
        ),
    ],
)
def test_a_hostile_bundle(
    shop: Workshop,
    tmp_path: Path,
    command: str,
    make: Callable[[Members], bytes],
    problem: str,
    hint: str,
) -> None:
    bundle = tmp_path / "hostile.edgeq"
    bundle.write_bytes(make(members(shop.bundle)))
    ended = run_on(command, bundle, shop, tmp_path)
    error, said = ended.stderr.splitlines()[-2:]
    assert error.startswith(f"error: {bundle}: ")
    assert problem in error
    assert said == f"hint: {hint}" if hint else len(said) > len("hint: ")
    assert (ended.code, ended.stdout) == (5, "")
    assert {path.name for path in tmp_path.iterdir()} == {"hostile.edgeq", "one.npy"}
    assert not (tmp_path.parent.parent / "evil.txt").exists()


@pytest.mark.parametrize("command", ["run", "evaluate", "benchmark", "verify"])
def test_an_altered_model_is_never_run(shop: Workshop, tmp_path: Path, command: str) -> None:
    bundle = tmp_path / "altered.edgeq"
    bundle.write_bytes(other_model(members(shop.bundle)))
    refused(
        run_on(command, bundle, shop, tmp_path),
        f"{bundle}: models/cpu.tflite does not match its SHA-256 in the manifest",
        DAMAGED,
        code=5,
    )


def test_a_flipped_byte_anywhere_is_noticed(shop: Workshop, tmp_path: Path) -> None:
    data = shop.bundle.read_bytes()
    regions = regions_of(shop.bundle, len(data))
    places = [place for start, stop in regions for place in range(start, stop, 37)]
    bundle = tmp_path / "flipped.edgeq"
    codes: Counter[int] = Counter()
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << (place % 8)
        bundle.write_bytes(changed)
        ended = edgeq("verify", bundle)
        assert ended.stdout == "", place
        assert ended.stderr.splitlines()[-2].startswith(f"error: {bundle}: "), place
        assert ended.stderr.splitlines()[-1].startswith("hint: "), place
        codes[ended.code] += 1
    assert codes == {5: len(places)}
    assert len(regions) >= 5
    assert len(places) > 200


def regions_of(bundle: Path, size: int) -> list[tuple[int, int]]:
    """From each member's local header to the next, and the zip's directory at the end."""
    with zipfile.ZipFile(bundle) as archive:
        starts = sorted(info.header_offset for info in archive.infolist())
        starts.append(archive.start_dir)
    return list(zip(starts, [*starts[1:], size], strict=True))


@pytest.mark.parametrize(("cut", "code"), [(0, 1), (10, 5), (4000, 5), (-1, 5)])
def test_a_cut_bundle(shop: Workshop, tmp_path: Path, cut: int, code: int) -> None:
    bundle = tmp_path / "cut.edgeq"
    bundle.write_bytes(shop.bundle.read_bytes()[:cut])
    ended = process("info", bundle)
    assert ended.code == code
    assert ended.stderr.startswith(f"error: {bundle}: ")
    assert "\nhint: " in ended.stderr


def test_what_is_no_bundle(shop: Workshop, tmp_path: Path) -> None:
    refused(
        edgeq("verify", shop.model),
        f"{shop.model}: is a .tflite, not a bundle",
        "edgeq build ... -o x.edgeq",
    )
    other = tmp_path / "notes.edgeq"
    other.write_text("no zip")
    refused(
        edgeq("verify", other),
        f"{other}: this is not a bundle (not a zip)",
        "give a bundle that `edgeq build` made",
        code=5,
    )
    missing = tmp_path / "none.edgeq"
    for command in COMMANDS:
        refused(
            run_on(command, missing, shop, tmp_path), f"{missing}: no such file", "check the path"
        )


@pytest.mark.parametrize("command", COMMANDS)
def test_keras_models_are_no_bundles(shop: Workshop, tmp_path: Path, command: str) -> None:
    """By suffix, by what a zip of another name holds, by HDF5's magic, and as a folder."""
    named, renamed = tmp_path / "net.keras", tmp_path / "net.zip"
    for path in (named, renamed):
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("metadata.json", "config.json", "model.weights.h5"):
                archive.writestr(name, "{}")
    hdf5, folder = tmp_path / "net.bin", tmp_path / "saved"
    hdf5.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"x")
    for path in (named, renamed, hdf5, folder):
        refused(
            run_on(command, path, shop, tmp_path),
            f"{path}: is a Keras model; this takes a bundle or a .tflite",
            "edgeq build it first, or edgeq compare",
        )


def test_models_that_do_not_belong_to_their_manifest(shop: Workshop, tmp_path: Path) -> None:
    """Digests are right, but the model has another input than the manifest says."""
    files = members(shop.bundle)
    manifest = json.loads(files["manifest.json"])
    manifest["inputs"][0]["scale"] *= 2
    bundle = tmp_path / "other.edgeq"
    bundle.write_bytes(zipped({**files, "manifest.json": json.dumps(manifest).encode()}))
    with open_bundle(bundle) as opened:
        opened.verify_digests()
    ended = run_on("run", bundle, shop, tmp_path)
    assert ended.code == 5
    assert "its manifest does not describe the inputs and outputs of its model" in ended.stderr
