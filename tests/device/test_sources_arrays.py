"""NumPy files are read in pieces, whole or not at all, and never unpickled."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq_device.errors import InputError
from edgeq_device.sources import match_inputs, open_arrays
from edgeq_device.tensors import TensorSpec

ARRAYS = {
    "bytes": np.arange(60, dtype=np.uint8).reshape(5, 4, 3),
    "columns first": np.asfortranarray(np.arange(60.0).reshape(5, 4, 3)),
    "big endian": np.arange(10, dtype=">i4").reshape(5, 2),
    "one axis": np.linspace(-1, 1, 5, dtype=np.float16),
}


def saved(compressed: bool = False, **arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", ARRAYS)
def test_rows_are_taken_without_the_rest(name: str, compressed: bool) -> None:
    array = ARRAYS[name]
    single = io.BytesIO()
    np.save(single, array)
    for stored in (
        open_arrays(single.getvalue())[""],
        open_arrays(saved(compressed, x=array))["x"],
    ):
        assert stored.shape == array.shape
        for rows in ([1, 2, 4], [0, 2, 3], [4], range(5)):
            taken = stored.take(rows)
            np.testing.assert_array_equal(taken, array[list(rows)])
            assert taken.dtype == array.dtype.newbyteorder("=")
        batches = list(stored.batches(2))
        assert [len(batch) for batch in batches] == [2, 2, 1]
        np.testing.assert_array_equal(np.concatenate(batches), array)
        assert stored.take([]).shape == (0, *array.shape[1:])


def test_a_large_file_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "sparse.npy"
    header = io.BytesIO()
    shape = (1 << 20, 1 << 16)  # 64 GB
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    with path.open("wb") as file:
        file.write(header.getvalue())
        file.seek(len(header.getvalue()) + (1 << 36) - 1)
        file.write(b"\x07")
    taken = open_arrays(path)[""].take([3, (1 << 20) - 1])
    assert taken.shape == (2, 1 << 16)
    assert taken.sum() == 7


def read_all(source: Any) -> int:
    """How many rows there are; all are read."""
    stored = [array for array in open_arrays(source).values() if array.shape]
    return sum(len(batch) for array in stored for batch in array.batches(7))


def refusal(source: object) -> InputError:
    with pytest.raises(InputError) as caught:
        read_all(source)
    return caught.value


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    objects = np.array([Trap(), None], dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=objects)
    for path in (tmp_path / "a.npy", tmp_path / "a.npz"):
        error = refusal(path)
        assert str(error) == f"{path}: holds Python objects (a pickle), which edgeq never loads"
        assert error.hint.startswith("save plain numbers: numpy.save(path, ")
    assert not (tmp_path / "sprung").exists()


def test_files_that_are_no_arrays(tmp_path: Path) -> None:
    assert refusal(tmp_path / "a.npy").problem == "no such file"
    assert refusal(tmp_path).problem == "could not be read (Is a directory)"
    path = tmp_path / "a.npy"
    for data, problem in (
        (b"", "the file is empty"),
        (b"hello world", "not a NumPy file"),
        (b"\x93NUMPY\x01\x00", "a broken NumPy file"),
        (saved(x=np.zeros(3))[:-30], "a broken NumPy file (File is not a zip file)"),
    ):
        path.write_bytes(data)
        error = refusal(path)
        assert str(error).startswith(f"{path}: {problem}")
        assert "again" in error.hint or "numpy.save" in error.hint


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((10, 10)))
    path.write_bytes(path.read_bytes()[:-1])
    error = refusal(path)
    assert str(error) == f"{path}: the file is cut off"
    assert error.hint == "save or copy the file again"


@pytest.mark.parametrize("compressed", [False, True])
def test_a_flipped_byte_in_a_npz_is_found(compressed: bool) -> None:
    data = bytearray(saved(compressed, x=np.arange(1000)))
    data[len(data) // 2] ^= 1
    assert refusal(bytes(data)).problem.startswith("a broken NumPy file (")


def test_a_header_that_promises_more_than_the_file_holds() -> None:
    file = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 50, 3)}
    np.lib.format.write_array_header_1_0(file, header)
    assert refusal(file.getvalue() + bytes(100)).problem == "the file is cut off"
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {**header, "descr": "<U0"})
    assert refusal(file.getvalue()).problem == "a broken NumPy file (its header)"


@pytest.mark.filterwarnings("ignore")  # numpy warns of headers that look like Python 2's
@settings(deadline=None, max_examples=200)
@given(st.sampled_from([saved(x=ARRAYS["bytes"]), saved(True, x=ARRAYS["bytes"])]), st.data())
def test_damaged_files_are_read_or_refused(whole: bytes, data: st.DataObject) -> None:
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):  # any other exception fails
        for array in open_arrays(
            bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
        ).values():
            if array.shape:
                assert sum(map(len, array.batches(7))) == array.shape[0]


TWO = (TensorSpec("serving_default_image:0", (1, 2), "uint8"), TensorSpec("mask", (1,), "bool"))


def test_names_count_without_decorations() -> None:
    assert match_inputs({"image": 1, "mask:0": 2, "y": 3}, TWO, "a.npz") == (1, 2)
    assert match_inputs({"serving_default_image:0": 1, "serving_default_mask": 2}, TWO, "") == (
        1,
        2,
    )
    assert match_inputs({"x": 1, "y": 2}, TWO[:1], "") == (1,)
    assert match_inputs({"": 1}, TWO[:1], "") == (1,)
    assert match_inputs({"x": 1, "image": 2}, TWO[:1], "") == (2,)


def test_missing_names_are_said() -> None:
    with pytest.raises(InputError) as caught:
        match_inputs({"image": 1, "y": 2}, TWO, "a.npz")
    assert str(caught.value) == (
        "a.npz: no array for the model's input 'mask' (arrays there: 'image', 'y')"
    )
    assert caught.value.hint == "save the arrays under the names 'image', 'mask'"
    with pytest.raises(InputError) as caught:
        match_inputs({}, TWO[:1], "a.npz")
    assert caught.value.problem == "no array for the model's input 'image' (arrays there: none)"
    assert caught.value.hint == "save the arrays under the names 'image' or 'x'"
    with pytest.raises(InputError) as caught:
        match_inputs({"": 1}, TWO, "a.npy")
    assert caught.value.problem == "one array, but the model has 2 inputs: 'image', 'mask'"
    assert caught.value.hint == "save them under these names in a .npz file"
