"""Programs inside compiled models: a small one written here, and damaged copies of it."""

from __future__ import annotations

from typing import Any

import flatbuffers
import pytest
from flatbuffers import flexbuffers
from hypothesis import given
from hypothesis import strategies as st

from edgeq_device.compiled import Executable, Program, read_program
from edgeq_device.errors import ModelError


def executable(kind: int, parameters: bytes, streams: list[bytes], token: int) -> bytes:
    builder = flatbuffers.Builder(1024)
    tables = []
    for stream in streams:
        data = builder.CreateByteVector(stream)
        builder.StartObject(2)
        builder.PrependUOffsetTRelativeSlot(0, data, 0)
        tables.append(builder.EndObject())
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    bitstreams = builder.EndVector()
    values = builder.CreateByteVector(parameters)
    builder.StartObject(17)
    builder.PrependUint64Slot(14, token, 0)
    builder.PrependUOffsetTRelativeSlot(5, bitstreams, 0)
    builder.PrependUOffsetTRelativeSlot(6, values, 0)
    builder.PrependInt16Slot(13, kind, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def package(executables: list[bytes], runtime: int = 13, identifier: bytes = b"DWN1") -> bytes:
    builder = flatbuffers.Builder(1024)
    texts = [builder.CreateString(one) for one in executables]
    builder.StartVector(4, len(texts), 4)
    for text in reversed(texts):
        builder.PrependUOffsetTRelative(text)
    vector = builder.EndVector()
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, vector, 0)
    builder.Finish(builder.EndObject())
    multi = bytes(builder.Output())
    builder = flatbuffers.Builder(1024)
    data = builder.CreateByteVector(multi)
    builder.StartObject(8)
    builder.PrependInt32Slot(0, runtime, 0)
    builder.PrependUOffsetTRelativeSlot(1, data, 0)
    builder.Finish(builder.EndObject(), file_identifier=identifier)
    return bytes(builder.Output())


class Raw(bytes):
    """Bytes that the builder takes as a text, as the compiler writes them."""

    def encode(self, encoding: str) -> bytes:
        return bytes(self)


def options(payload: bytes | None, key: str = "4") -> bytes:
    builder = flexbuffers.Builder()
    with builder.Map():
        builder.Key("1")
        builder.Int(0)
        if payload is not None:
            builder.Key(key)
            builder.String(Raw(payload))
        builder.Key("5")
        builder.Int(-1)
    return bytes(builder.Finish())


def small(kinds: tuple[int, int] = (2, 1)) -> bytes:
    return package(
        [
            executable(kinds[0], b"", [bytes(100), bytes(28)], 77),
            executable(kinds[1], bytes(640), [bytes(16)], 77),
        ]
    )


def test_a_program() -> None:
    program = read_program(options(small()), "a.tflite")
    assert program == Program(
        13,
        (
            Executable("EXECUTION_ONLY", 0, 128, 77),
            Executable("PARAMETER_CACHING", 640, 16, 77),
        ),
    )
    assert (program.cached_bytes, program.streamed_bytes) == (640, 0)


def test_parameters_that_are_streamed() -> None:
    program = read_program(options(package([executable(0, bytes(320), [], 0)])), "a.tflite")
    assert program.executables[0].type == "STAND_ALONE"
    assert (program.cached_bytes, program.streamed_bytes) == (0, 320)


def test_a_long_package() -> None:
    big = package([executable(1, bytes(70_000), [], 1)])
    assert read_program(options(big), "a.tflite").cached_bytes == 70_000


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "an Edge TPU program without a package"),
        (b"\0\0\0", "an Edge TPU program that is no map"),
        (options(None), "an Edge TPU program without a package"),
        (options(small(), key="9"), "an Edge TPU program without a package"),
        (options(b"short"), "it ends before its first table"),
        (options(package([], identifier=b"DWN2")), 'has no identifier "DWN1" at byte 4'),
        (options(package([])), "holds an Edge TPU program without executables"),
        (options(small((2, 9))), "an executable of the unknown type 9"),
    ],
)
def test_what_is_no_program(data: bytes, problem: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_program(data, "a.tflite")
    assert str(caught.value).startswith("a.tflite: ")
    assert problem in str(caught.value)
    assert caught.value.hint == "copy or export the file again"


def outcome(data: bytes) -> Any:
    try:
        return read_program(data, "a.tflite")
    except ModelError:
        return None


def test_every_truncation_is_refused() -> None:
    whole = options(small())
    assert [length for length in range(len(whole)) if outcome(whole[:length]) is not None] == []


@given(st.data())
def test_damage_is_an_error_or_a_program(data: st.DataObject) -> None:
    damaged = bytearray(options(small()))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    found = outcome(bytes(damaged))
    assert found is None or sum(one.parameter_bytes for one in found.executables) < 10_000
