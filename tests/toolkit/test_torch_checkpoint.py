"""The checkpoint reader of the benchmarks: the real file, hand-made ones, and hostile ones."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from benchmarks.networks.efficientnet_lite0 import read_weights
from benchmarks.networks.torch_checkpoint import (
    MAGIC_NUMBER,
    PROTOCOL_VERSION,
    read_checkpoint,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq_device.errors import InputError

HINT = "give a state_dict as torch.save wrote it before PyTorch 1.6"
FLOATS = np.arange(12, dtype="<f4")


def text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def numbers(*values: int) -> bytes:
    return b"(" + b"".join(b"I%d\n" % value for value in values) + b"t"


def storage(key: str = "0", length: int = 12, kind: bytes = b"ctorch\nFloatStorage\n") -> bytes:
    return b"(" + text("storage") + kind + text(key) + text("cpu") + b"I%d\nNtQ" % length


def tensor(shape: bytes, strides: bytes, offset: int = 0, held: bytes | None = None) -> bytes:
    arguments = (held or storage()) + b"I%d\n" % offset + shape + strides + b"I00\nN"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def checkpoint(saved: bytes, keys: tuple[str, ...] = ("0",), data: bytes | None = None) -> bytes:
    """A file as torch.save writes it; ``saved`` is the object's pickle without its STOP."""
    if data is None:
        data = (12).to_bytes(8, "little") + FLOATS.tobytes()
    machine = {"protocol_version": PROTOCOL_VERSION, "little_endian": True, "type_sizes": {}}
    first = [pickle.dumps(item, 2) for item in (MAGIC_NUMBER, PROTOCOL_VERSION, machine)]
    return b"".join(first) + b"\x80\x02" + saved + b"." + pickle.dumps(list(keys), 2) + data


def named(**tensors: bytes) -> bytes:
    return b"}(" + b"".join(text(name) + value for name, value in tensors.items()) + b"u"


GOOD = named(a=tensor(numbers(3, 4), numbers(4, 1)))


def read(folder: Path, content: bytes) -> dict[str, np.ndarray]:
    path = folder / "weights.pth"
    path.write_bytes(content)
    return read_checkpoint(path)


def refusal(folder: Path, content: bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, content)
    assert caught.value.hint == HINT
    return caught.value.problem.removeprefix("is not a checkpoint of plain tensors: ")


def test_real_weights_have_the_known_shapes_and_sums() -> None:
    tensors = read_weights()
    assert len(tensors) == 296
    assert sum(value.size for name, value in tensors.items() if "num_batches" not in name) == (
        4694024
    )
    known = {
        "_conv_stem.weight": ((32, 3, 3, 3), -26.811377),
        "_blocks.3._depthwise_conv.weight": ((144, 1, 5, 5), 25.451435),
        "_bn1.running_var": ((1280,), 13721.746046),
        "_fc.weight": ((1000, 1280), -470.632567),
        "_fc.bias": ((1000,), -0.049817),
    }
    for name, (shape, total) in known.items():
        assert tensors[name].shape == shape
        assert tensors[name].dtype == np.float32
        assert tensors[name].astype(np.float64).sum() == pytest.approx(total, rel=1e-5)
    assert tensors["_bn0.num_batches_tracked"].dtype == np.int64


def test_views_of_one_storage_keep_their_offset_and_strides(tmp_path: Path) -> None:
    tensors = read(
        tmp_path,
        checkpoint(
            named(
                whole=tensor(numbers(3, 4), numbers(4, 1)),
                turned=tensor(numbers(4, 3), numbers(1, 4)),
                tail=tensor(numbers(2), numbers(3), offset=7),
                scalar=tensor(numbers(), numbers(), offset=5),
                empty=tensor(numbers(0, 4), numbers(4, 1)),
            )
        ),
    )
    np.testing.assert_array_equal(tensors["whole"], FLOATS.reshape(3, 4))
    np.testing.assert_array_equal(tensors["turned"], FLOATS.reshape(3, 4).T)
    np.testing.assert_array_equal(tensors["tail"], [7.0, 10.0])
    assert tensors["scalar"] == 5.0
    assert tensors["empty"].shape == (0, 4)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("collections", "OrderedDict.fromkeys"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch", "DoubleStorage"),
    ],
)
def test_any_other_name_is_refused(tmp_path: Path, module: str, name: str) -> None:
    target = tmp_path / "was_run"
    call = f"c{module}\n{name}\n(".encode() + text(f"touch {target}") + b"tR"
    assert refusal(tmp_path, checkpoint(call)) == f"it asks for {module}.{name}"
    assert not target.exists()


def test_a_pickle_made_by_reduce_is_refused_in_every_place(tmp_path: Path) -> None:
    target = tmp_path / "was_run"

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return __import__("os").system, (f"touch {target}",)

    hostile = pickle.dumps(Hostile(), 2)
    pickles = [part + b"." for part in checkpoint(named(), (), b"").split(b".")[:-1]]
    assert len(pickles) == 5
    for place in range(5):
        content = b"".join([*pickles[:place], hostile, *pickles[place + 1 :]])
        assert refusal(tmp_path, content) == "it asks for posix.system"
    assert not target.exists()


def test_the_stand_ins_cannot_be_changed(tmp_path: Path) -> None:
    # BUILD sets attributes of the object below it on the stack: (None, {name: value}).
    for stand_in, name in (
        (b"ctorch\nFloatStorage\n", "elements"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n", "__call__"),
        (storage(), "length"),
        (tensor(numbers(3), numbers(1)), "offset"),
    ):
        change = stand_in + b"(N}" + text(name) + b"I9999999\nstb"
        assert refusal(tmp_path, checkpoint(change)).startswith("a broken pickle (")
    np.testing.assert_array_equal(read(tmp_path, checkpoint(GOOD))["a"], FLOATS.reshape(3, 4))


@pytest.mark.parametrize(
    ("saved", "problem"),
    [
        (named(a=tensor(numbers(3, 5), numbers(4, 1))), "a reaches beyond its storage"),
        (named(a=tensor(numbers(2), numbers(12))), "a reaches beyond its storage"),
        (named(a=tensor(numbers(2), numbers(1), offset=11)), "a reaches beyond its storage"),
        (named(a=tensor(numbers(9, 9), numbers(0, 0))), "a reaches beyond its storage"),
        (
            named(a=tensor(numbers(2), numbers(-1), offset=4)),
            "a tensor whose shape is not made of whole numbers",
        ),
        (
            named(a=tensor(numbers(2), numbers(1), offset=-1)),
            "a tensor whose shape is not made of whole numbers",
        ),
        (
            named(a=tensor(numbers(2), numbers(1, 1))),
            "a tensor whose shape and strides do not match",
        ),
        (named(a=tensor(numbers(2), numbers(1), held=b"N")), "a tensor without a storage"),
        (named(a=b"N"), "a is not a tensor"),
        (b"]", "it does not hold tensors by name"),
        (named(a=b"I7\nQ"), "a reference that is not a storage"),
        (named(a=storage(kind=text("FloatStorage"))), "a storage of an unknown kind"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path: Path, saved: bytes, problem: str) -> None:
    keys = ("0",) if b"ctorch\n" in saved else ()
    assert refusal(tmp_path, checkpoint(saved, keys)) == problem


def test_other_files_are_refused(tmp_path: Path) -> None:
    good = checkpoint(GOOD)
    assert refusal(tmp_path, good[:-1]) == "storage 0 is truncated"
    assert refusal(tmp_path, checkpoint(GOOD, ("1",))) == "its storages do not match its tensors"
    assert refusal(tmp_path, pickle.dumps({"a": 1}, 2)) == "the magic number is missing"
    assert refusal(tmp_path, b"").startswith("a broken pickle")
    assert refusal(tmp_path, b"PK\x03\x04")  # what torch.save writes since 1.6: a zip
    with pytest.raises(InputError) as caught:
        read_checkpoint(tmp_path / "none.pth")
    assert caught.value.problem == "cannot be read (No such file or directory)"


@settings(max_examples=300, deadline=None)
@given(changes=st.dictionaries(st.integers(0, len(checkpoint(GOOD)) - 1), st.integers(0, 255)))
def test_a_damaged_file_gives_tensors_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[int, int]
) -> None:
    content = bytearray(checkpoint(GOOD))
    for index, value in changes.items():
        content[index] = value
    try:
        tensors = read(tmp_path_factory.getbasetemp(), bytes(content))
    except InputError:
        return
    assert all(isinstance(value, np.ndarray) and value.size <= 12 for value in tensors.values())
