"""Bundles: what is read back, and everything that must not be opened."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeq_device.bundle import (
    FORMAT,
    CompiledModel,
    InputInfo,
    Manifest,
    looks_like_bundle,
    open_bundle,
)
from edgeq_device.bundle.layout import ALIGNMENT, MANIFEST
from edgeq_device.errors import BundleError, ConfigError, EdgeqError, InputError
from edgeq_device.tensors import TensorSpec
from edgeq_device.transforms import Preprocessing
from tests.device.bundles import (
    Recipe,
    bundle_bytes,
    bundle_files,
    member,
    npy,
    plain_zip,
    write_bundle,
    zipped,
)
from tests.device.factories import conv_classifier, dense_model

DAMAGED = "the file is damaged or was altered: copy it again, or build it again"
NOT_OURS = "give a bundle that `edgeq build` made"


@pytest.fixture(scope="module")
def sound() -> bytes:
    return bundle_bytes()


def read_all(path: Path) -> None:
    with open_bundle(path) as bundle:
        bundle.verify_digests()
        bundle.golden()


def refused(tmp_path: Path, data: bytes) -> BundleError:
    """The error that opening and verifying these bytes ends in; its message names the file."""
    path = tmp_path / "x.edgeq"
    path.write_bytes(data)
    with pytest.raises(BundleError) as caught:
        read_all(path)
    assert caught.value.path == str(path)
    assert caught.value.exit_code == 5
    return caught.value


def with_manifest(change: dict[str, object]) -> bytes:
    manifest, files = bundle_files(Recipe())
    plain = {**json.loads(manifest.to_json()), **change}
    return zipped({MANIFEST: json.dumps(plain).encode(), **files})


def test_what_was_packed_comes_back(tmp_path: Path) -> None:
    model, compiled = conv_classifier(), dense_model()
    path = write_bundle(tmp_path / "tiny.edgeq", Recipe(model=model, compiled=compiled))
    with open_bundle(path) as bundle:
        manifest = bundle.manifest
        assert bytes(bundle.model("cpu")) == model
        assert bytes(bundle.model("edgetpu")) == compiled
        assert bundle.has_edgetpu
        assert bundle.labels == ("ant", "bee", "cat", "dog", "eel")
        assert manifest.format == FORMAT == 1
        assert manifest.inputs[0].preprocessing == Preprocessing((0.0,), (255.0,))
        assert manifest.inputs[0].spec.shape == (1, 16, 16, 3)
        assert manifest.models.edgetpu is not None
        assert manifest.models.edgetpu.min_runtime_version == 14
        golden = bundle.golden()
        assert golden is not None
        assert golden.inputs[0].shape == (2, 1, 16, 16, 3)
        assert golden.outputs[0].shape == (2, 1, 5)
        assert golden.outputs[0].dtype == np.uint8
        assert bundle.verify_digests() == (
            "labels.txt",
            "golden/input_0.npy",
            "golden/output_0.npy",
            "models/cpu.tflite",
            "models/edgetpu.tflite",
        )


def test_models_are_stored_aligned_and_mapped_not_copied(tmp_path: Path) -> None:
    model = conv_classifier()
    path = write_bundle(tmp_path / "tiny.edgeq", Recipe(model=model, compiled=dense_model()))
    data = path.read_bytes()
    assert data.index(model) % ALIGNMENT == 0
    assert data.index(dense_model()) % ALIGNMENT == 0
    with open_bundle(path) as bundle:
        first, again = bundle.model("cpu"), bundle.model("cpu")
        addresses = [np.frombuffer(view, np.uint8).ctypes.data for view in (first, again)]
        assert addresses[0] == addresses[1]
        assert first.readonly


def test_any_zip_reader_reads_it(sound: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(sound)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "manifest.json"
        assert archive.read("labels.txt") == b"ant\nbee\ncat\ndog\neel\n"
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_views_outlive_the_bundle(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "tiny.edgeq")
    with open_bundle(path) as bundle:
        view = bundle.model("cpu")
    assert bytes(view[4:8]) == b"TFL3"


def test_no_compiled_model_is_said(tmp_path: Path) -> None:
    with open_bundle(write_bundle(tmp_path / "tiny.edgeq")) as bundle:
        assert not bundle.has_edgetpu
        with pytest.raises(BundleError, match="holds no model compiled for the Edge TPU"):
            bundle.model("edgetpu")


def test_a_bundle_without_golden_vectors_says_why(tmp_path: Path) -> None:
    with open_bundle(write_bundle(tmp_path / "tiny.edgeq", Recipe(samples=0))) as bundle:
        assert bundle.golden() is None
        assert bundle.manifest.no_golden_reason == "left out"


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    """No byte of the file is unaccounted for: headers, padding, directory, members."""
    data = bundle_bytes(Recipe(model=dense_model(), labels=("a", "b"), samples=1))
    path = tmp_path / "x.edgeq"
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(BundleError):
            read_all(path)


def test_a_flipped_byte_in_a_model_names_the_model(tmp_path: Path, sound: bytes) -> None:
    damaged = bytearray(sound)
    damaged[sound.index(conv_classifier()) + 300] ^= 1
    error = refused(tmp_path, bytes(damaged))
    assert error.problem == "models/cpu.tflite does not match its SHA-256 in the manifest"
    assert error.hint == DAMAGED


def test_the_other_model_is_not_read(tmp_path: Path) -> None:
    """A board with an Edge TPU does not hash the CPU's model, and the reverse."""
    data = bytearray(bundle_bytes(Recipe(compiled=dense_model())))
    data[data.index(dense_model()) + 100] ^= 1
    path = tmp_path / "x.edgeq"
    path.write_bytes(data)
    with open_bundle(path) as bundle:
        bundle.model("cpu")
        with pytest.raises(BundleError, match=re.escape("models/edgetpu.tflite does not match")):
            bundle.model("edgetpu")


@pytest.mark.parametrize("part", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_a_truncated_bundle(tmp_path: Path, sound: bytes, part: float) -> None:
    cut = sound[: max(10, int(len(sound) * part))]
    error = refused(tmp_path, cut)
    assert "the zip is cut off or damaged" in error.problem
    assert error.hint == DAMAGED


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../evil.txt", 'holds ".."'),
        ("golden/../../evil", 'holds ".."'),
        ("/etc/passwd", "is absolute"),
        ("a\\b", "holds a backslash"),
        ("C:evil", "starts with a drive letter"),
        ("folder/", "is a folder's"),
        ("a//b", "single slashes"),
        ("./a", "single slashes"),
        ("a b", "single slashes"),
        ("ä", "single slashes"),
        (".hidden", "single slashes"),
        ("x" * 201, "is longer than 200 characters"),
    ],
)
def test_unsafe_names(tmp_path: Path, name: str, why: str) -> None:
    manifest, files = bundle_files(Recipe())
    entries = [(MANIFEST, manifest.to_json()), *files.items(), (name, b"boo")]
    error = refused(tmp_path, plain_zip([*entries]))
    assert error.problem.startswith("the name ")
    assert why in error.problem
    assert error.hint == NOT_OURS


def test_an_unsafe_name_in_the_manifest(tmp_path: Path) -> None:
    manifest, files = bundle_files(Recipe())
    plain = json.loads(manifest.to_json())
    plain["labels"]["path"] = "../labels.txt"
    error = refused(tmp_path, zipped({MANIFEST: json.dumps(plain).encode(), **files}))
    assert error.problem == (
        'manifest.json: labels.path is "../labels.txt",'
        ' but must be a safe name (this one holds "..")'
    )


def test_duplicate_names(tmp_path: Path) -> None:
    manifest, files = bundle_files(Recipe())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile warns of what we do on purpose
        data = plain_zip([(MANIFEST, manifest.to_json()), *files.items(), ("labels.txt", b"x")])
    error = refused(tmp_path, data)
    assert error.problem == "the name 'labels.txt' stands twice in it"
    assert error.hint == NOT_OURS


def test_a_symbolic_link(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("labels.txt")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    manifest, files = bundle_files(Recipe())
    entries: list[tuple[zipfile.ZipInfo | str, bytes]] = [(MANIFEST, manifest.to_json())]
    entries += [
        (link, b"/etc/passwd") if name == "labels.txt" else (name, data)
        for name, data in files.items()
    ]
    error = refused(tmp_path, plain_zip(entries))
    assert error.problem == "labels.txt in it is a link or a special file"


def test_an_encrypted_member(tmp_path: Path, sound: bytes) -> None:
    damaged = bytearray(sound)
    place = sound.rindex(b"PK\1\2") + 8  # the flags in the last directory record
    damaged[place] |= 1
    assert refused(tmp_path, bytes(damaged)).problem == "models/cpu.tflite in it is encrypted"


def test_a_zip_bomb(tmp_path: Path) -> None:
    """Few bytes that claim to be many: refused by the claim, nothing is unpacked."""
    manifest, files = bundle_files(Recipe())
    entries = [(MANIFEST, manifest.to_json()), *files.items(), ("zeros.bin", bytes(50_000_000))]
    error = refused(tmp_path, plain_zip([*entries], zipfile.ZIP_DEFLATED))
    assert re.fullmatch(
        r"its members claim \d{8} bytes, but it has only \d+ \(a zip bomb\?\)", error.problem
    )


def test_a_manifest_that_is_a_bomb(tmp_path: Path) -> None:
    data = plain_zip([(MANIFEST, b" " * 50_000_000)], zipfile.ZIP_DEFLATED)
    error = refused(tmp_path, data)
    assert error.problem == "manifest.json claims 50000000 bytes, and may have 16777216"


def test_overlapping_members(tmp_path: Path) -> None:
    """The other kind of bomb: many directory records that point at the same bytes."""
    data = bytearray(zipped({"manifest.json": bundle_files(Recipe())[0].to_json(), "b.bin": b"1"}))
    last = data.rindex(b"PK\1\2")
    data[last + 42 : last + 46] = (0).to_bytes(4, "little")
    error = refused(tmp_path, bytes(data))
    assert error.problem == "its zip is not laid out as edgeq writes it"


def test_compressed_members(tmp_path: Path) -> None:
    manifest, files = bundle_files(Recipe())
    entries: list[tuple[zipfile.ZipInfo | str, bytes]] = []
    for name, data in {MANIFEST: manifest.to_json(), **files}.items():
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED if name.endswith(".tflite") else 0
        entries.append((info, data))
    error = refused(tmp_path, plain_zip(entries))
    assert error.problem == "models/cpu.tflite in it is compressed; a bundle's are stored"


def test_bytes_that_belong_to_no_member(tmp_path: Path, sound: bytes) -> None:
    for data in (b"PK" + bytes(98) + sound, sound + b"more"):
        assert refused(tmp_path, data).problem in (
            "its zip is not laid out as edgeq writes it",
            "the zip is cut off or damaged (File is not a zip file)",
        )


def test_a_member_that_the_manifest_does_not_name(tmp_path: Path) -> None:
    manifest, files = bundle_files(Recipe())
    data = zipped({MANIFEST: manifest.to_json(), **files, "extra.bin": b"1"})
    error = refused(tmp_path, data)
    assert error.problem == "extra.bin is in it, but its manifest does not name it"


def test_a_missing_member(tmp_path: Path) -> None:
    manifest, files = bundle_files(Recipe())
    del files["models/cpu.tflite"]
    error = refused(tmp_path, zipped({MANIFEST: manifest.to_json(), **files}))
    assert error.problem == "models/cpu.tflite is missing from it"
    assert error.hint == DAMAGED


def test_no_manifest(tmp_path: Path) -> None:
    assert refused(tmp_path, zipped({"labels.txt": b"a\n"})).problem == "it has no manifest.json"


def test_the_wrong_length(tmp_path: Path) -> None:
    manifest, files = bundle_files(Recipe())
    files["labels.txt"] += b"more\n"
    error = refused(tmp_path, zipped({MANIFEST: manifest.to_json(), **files}))
    assert error.problem == "labels.txt has 25 bytes, but its manifest says 20"


def test_a_newer_format(tmp_path: Path) -> None:
    error = refused(tmp_path, with_manifest({"format": 2}))
    assert error.problem == "made by a newer edgeq (format 2; this one reads 1)"
    assert error.hint == "pip install --upgrade edgeq"


def test_a_newer_format_is_said_before_anything_of_its_layout(tmp_path: Path) -> None:
    manifest = json.dumps({"format": 7}).encode()
    data = plain_zip([(MANIFEST, manifest), ("new.bin", bytes(10))], zipfile.ZIP_DEFLATED)
    assert "made by a newer edgeq (format 7" in refused(tmp_path, data).problem


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format": "1"}, 'format is "1", but must be a whole number from 1 to'),
        ({"format": True}, "format is true, but must be a whole number"),
        ({"name": None}, "name is null, but must be a string"),
        ({"inputs": []}, "inputs is [], but must be a list of at least 1"),
        ({"outputs": {}}, "outputs is {}, but must be a list of at least 1"),
        ({"activation": "relu"}, "activation is \"relu\", but must be one of 'none', 'softmax'"),
        ({"models": {}}, "lacks models.cpu"),
        ({"golden": None}, "must hold golden or no_golden_reason, and not both"),
        ({"no_golden_reason": "none"}, "must hold golden or no_golden_reason, and not both"),
        ({"notes": [1]}, "notes is [1], but must be a list of strings"),
        ({"provenance": []}, "provenance is [], but must be an object"),
    ],
)
def test_wrong_keys_are_named(tmp_path: Path, change: dict[str, object], problem: str) -> None:
    error = refused(tmp_path, with_manifest(change))
    assert error.problem.startswith("manifest.json")
    assert problem in error.problem
    assert error.hint == "build the bundle again with `edgeq build`"


@pytest.mark.parametrize(
    ("key", "value", "must"),
    [
        ("dtype", "complex64", "one of 'uint8'"),
        ("shape", [1, 0], "a list of at most 8 dimensions, each at least 1"),
        ("shape", [1.0], "a list of at most 8 dimensions"),
        ("scale", -1.0, "0 for a tensor without quantization, or positive"),
        ("scale", 1e-60, "0 for a tensor without quantization, or positive"),
        ("scale", "1", "a number"),
        ("zero_point", 256, "a whole number from 0 to 255"),
        ("applied", "nobody", "one of 'model', 'device', 'none declared'"),
        ("applied", "none declared", "exactly where no preprocessing is declared"),
        ("preprocessing", {"mean": []}, "a list of at least 1"),
    ],
)
def test_wrong_inputs_are_named(tmp_path: Path, key: str, value: object, must: str) -> None:
    manifest, _ = bundle_files(Recipe())
    inputs = json.loads(manifest.to_json())["inputs"]
    inputs[0][key] = value
    error = refused(tmp_path, with_manifest({"inputs": inputs}))
    assert error.problem.startswith(f"manifest.json: inputs[0].{key}")
    assert must in error.problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"\xff", "manifest.json is not JSON"),
        (b"{", "manifest.json is not JSON"),
        (b"[]", "the manifest is [], but must be an object"),
        (b'{"format": 1, "format": 2}', "a key stands twice in one object"),
        (b'{"format": NaN}', "NaN is no JSON number"),
        (b"[" * 100_000, "manifest.json"),
    ],
)
def test_a_manifest_that_is_no_json_object(tmp_path: Path, text: bytes, problem: str) -> None:
    assert problem in refused(tmp_path, zipped({MANIFEST: text})).problem


def test_a_task_of_a_later_edgeq_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.edgeq"
    path.write_bytes(with_manifest({"task": "pose", "a key of later": 1}))
    with open_bundle(path) as bundle:
        assert bundle.manifest.task == "pose"


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.zeros((2, 1, 4), np.uint8), "golden/output_0.npy is uint8 (2, 1, 4), but scores needs"),
        (np.zeros((2, 1, 5), np.int8), "golden/output_0.npy is int8 (2, 1, 5), but scores needs"),
    ],
)
def test_golden_vectors_of_another_shape(tmp_path: Path, array: object, problem: str) -> None:
    data = bundle_bytes(Recipe(outputs=(array,)))
    assert problem in refused(tmp_path, data).problem


@pytest.mark.parametrize(
    "data",
    [
        b"not an array",
        npy(np.zeros((2, 1, 5), np.uint8))[:-1],
        npy(np.zeros((2, 1, 5), np.uint8)).replace(b"(2, 1, 5)", b"(9e9,1,5)"),
        b"\x93NUMPY\x01\x00\xff\xff",
    ],
)
def test_golden_vectors_that_are_no_arrays(tmp_path: Path, data: bytes) -> None:
    manifest, files = bundle_files(Recipe())
    assert manifest.golden is not None
    files["golden/output_0.npy"] = data
    changed = replace(
        manifest, golden=replace(manifest.golden, outputs=(member("golden/output_0.npy", data),))
    )
    error = refused(tmp_path, zipped({MANIFEST: changed.to_json(), **files}))
    assert error.problem.startswith("golden/output_0.npy is not a .npy array")


def test_golden_vectors_are_never_unpickled(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.save(file, np.array([print], object), allow_pickle=True)
    data = file.getvalue()
    manifest, files = bundle_files(Recipe())
    assert manifest.golden is not None
    files["golden/output_0.npy"] = data
    changed = replace(
        manifest, golden=replace(manifest.golden, outputs=(member("golden/output_0.npy", data),))
    )
    error = refused(tmp_path, zipped({MANIFEST: changed.to_json(), **files}))
    assert "not a plain array in C order" in error.problem


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "this is a folder, not a bundle"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: os.mkfifo(path), "this is not a regular file"),
    ],
)
def test_files_that_are_not_there(tmp_path: Path, make: object, problem: str) -> None:
    path = tmp_path / "x.edgeq"
    make(path)  # type: ignore[operator]
    with pytest.raises(InputError) as caught:
        open_bundle(path)
    assert caught.value.sentence == f"{path}: {problem}"
    assert caught.value.hint


def test_another_kind_of_file(tmp_path: Path) -> None:
    error = refused(tmp_path, conv_classifier())
    assert error.problem == "this is not a bundle (not a zip)"
    assert not looks_like_bundle(error.path)
    assert not looks_like_bundle(tmp_path / "missing")


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    cuts=st.lists(st.tuples(st.integers(0, 2**20), st.binary(max_size=12)), min_size=1, max_size=4)
)
def test_no_damage_raises_anything_else(
    tmp_path: Path, sound: bytes, cuts: list[tuple[int, bytes]]
) -> None:
    data = bytearray(sound)
    for place, piece in cuts:
        at = place % len(data)
        data[at : at + len(piece)] = piece
    path = tmp_path / "x.edgeq"
    path.write_bytes(data)
    try:
        read_all(path)
    except EdgeqError:
        return
    assert bytes(data) == sound


def test_the_manifest_comes_back_equal_and_the_same_bytes() -> None:
    manifest, _ = bundle_files(Recipe(compiled=dense_model()))
    again = Manifest.from_json(manifest.to_json(), "x")
    assert again == manifest
    assert again.to_json() == manifest.to_json()


def test_scales_survive_json_exactly() -> None:
    manifest, _ = bundle_files(Recipe())
    for scale in (float(np.float32(1 / 255)), float(np.float32(0.1)), 1.1754944e-38):
        spec = TensorSpec("x", (1, 4), "uint8", scale, 3)
        changed = replace(manifest, outputs=(spec,))
        assert Manifest.from_json(changed.to_json(), "x").outputs == (spec,)


def test_a_compiled_model_may_not_know_its_least_runtime() -> None:
    manifest, _ = bundle_files(Recipe(compiled=dense_model()))
    assert manifest.models.edgetpu is not None
    unknown = CompiledModel(manifest.models.edgetpu.member, "16.0")
    changed = replace(manifest, models=replace(manifest.models, edgetpu=unknown))
    assert Manifest.from_json(changed.to_json(), "x").models.edgetpu == unknown


def test_preprocessing_must_fit_the_channels() -> None:
    spec = TensorSpec("x", (1, 8, 8, 3), "uint8", 1.0, 0)
    three = Preprocessing((1.0, 2.0, 3.0), (1.0,))
    assert InputInfo(spec, three, "device").preprocessing == three
    with pytest.raises(ConfigError, match="one number, or one per channel of"):
        InputInfo(spec, Preprocessing((1.0, 2.0), (1.0,)), "device")
