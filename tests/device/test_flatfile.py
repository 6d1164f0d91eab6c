"""Flatbuffers read out of bytes that nobody vouches for."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq_device.errors import ModelError
from edgeq_device.flatfile import DAMAGED_HINT, FlatFile, Span, Table

NUMBER, TEXT, CHILD, CHILDREN, STRINGS, VECTOR, BLOB, STRUCTS = range(8)
RANGE = np.dtype([("start", "<i4"), ("end", "<i4")])


def example(inner: bytes = b"\x01\x02\x03") -> bytes:
    """A table with one field of each kind, identifier "TEST"."""
    builder = flatbuffers.Builder(256)

    def leaf(number: int) -> int:
        builder.StartObject(1)
        builder.PrependInt32Slot(0, number, 0)
        return int(builder.EndObject())

    def offsets(targets: list[int]) -> int:
        builder.StartVector(4, len(targets), 4)
        for target in reversed(targets):
            builder.PrependUOffsetTRelative(target)
        return int(builder.EndVector())

    text = builder.CreateString("grüße")
    child = leaf(7)
    children = offsets([leaf(number) for number in (1, 2, 3)])
    strings = offsets([builder.CreateString(text) for text in ("a", "", "ccc")])
    vector = builder.CreateNumpyVector(np.array([1.5, -2.0, 4.0], "<f4"))
    blob = builder.CreateByteVector(inner)
    builder.StartVector(8, 2, 4)
    for number in (4, 3, 2, 1):
        builder.PrependInt32(number)
    structs = int(builder.EndVector())
    builder.StartObject(9)
    builder.PrependInt16Slot(NUMBER, -300, 0)
    for field, target in (
        (TEXT, text),
        (CHILD, child),
        (CHILDREN, children),
        (STRINGS, strings),
        (VECTOR, vector),
        (BLOB, blob),
        (STRUCTS, structs),
    ):
        builder.PrependUOffsetTRelativeSlot(field, target, 0)
    builder.Finish(builder.EndObject(), b"TEST")
    return bytes(builder.Output())


def root(data: Any) -> Table:
    return FlatFile(data, "x.bin").root(b"TEST")


def read_everything(table: Table) -> None:
    table.scalar(NUMBER, "h")
    table.text(TEXT)
    child = table.table(CHILD)
    for leaf in (child, *table.tables(CHILDREN)):
        if leaf is not None:
            leaf.scalar(0, "i")
    table.strings(STRINGS)
    table.blobs(STRINGS)
    table.numbers(VECTOR, "<f4")
    table.vector(STRUCTS, RANGE)
    table.blob(BLOB)


class TestGoodFile:
    def test_every_kind_of_field(self) -> None:
        table = root(example())

        assert table.scalar(NUMBER, "h") == -300
        assert table.text(TEXT) == "grüße"
        child = table.table(CHILD)
        assert child is not None
        assert child.scalar(0, "i") == 7
        assert [leaf.scalar(0, "i") for leaf in table.tables(CHILDREN)] == [1, 2, 3]
        assert table.strings(STRINGS) == ("a", "", "ccc")
        assert table.numbers(VECTOR, "<f4") == (1.5, -2.0, 4.0)
        assert bytes(table.blob(BLOB)) == b"\x01\x02\x03"
        assert table.vector(STRUCTS, RANGE).tolist() == [(1, 2), (3, 4)]

    def test_absent_fields_give_defaults(self) -> None:
        table = root(example())

        for field in (8, 9, 1000):
            assert not table.has(field)
            assert table.scalar(field, "i", 5) == 5
            assert table.text(field) is None
            assert table.table(field) is None
            assert table.nested(field) is None
            assert table.span(field) is None
            assert table.tables(field) == ()
            assert table.strings(field) == ()
            assert table.numbers(field, "<i4") == ()
            assert table.vector(field, "<i4").dtype == np.int32
            assert len(table.blob(field)) == 0

    def test_vectors_are_read_only_views_even_of_writable_bytes(self) -> None:
        data = bytearray(example())
        table = root(data)
        values = table.vector(VECTOR, "<f4")

        with pytest.raises(ValueError, match="read-only"):
            values[0] = 9.0
        with pytest.raises(TypeError):
            table.blob(BLOB)[0] = 9
        place = table.span(VECTOR, 4)
        assert place is not None
        struct.pack_into("<f", data, place.start, 9.0)
        assert values[0] == 9.0

    def test_spans_are_places_in_the_file(self) -> None:
        data = example()
        table = root(data)
        blob = table.span(BLOB)
        texts = table.blobs(STRINGS)

        assert blob is not None
        assert data[blob.start : blob.start + blob.length] == b"\x01\x02\x03"
        assert [data[t.start : t.start + t.length] for t in texts] == [b"a", b"", b"ccc"]

    def test_nested_files_count_from_the_outer_start(self) -> None:
        inner = example(b"core")
        outer = example(inner)
        nested = root(outer).nested(BLOB, b"TEST")

        assert nested is not None
        assert nested.text(TEXT) == "grüße"
        span = nested.span(BLOB)
        assert span is not None
        assert outer[span.start : span.start + span.length] == b"core"

    def test_a_mapped_file(self, tmp_path: Path) -> None:
        path = tmp_path / "x.bin"
        path.write_bytes(example())
        with path.open("rb") as stream:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)

        assert root(mapped).numbers(VECTOR, "<f4") == (1.5, -2.0, 4.0)

    def test_undecodable_text_is_escaped(self) -> None:
        data = bytearray(example())
        place = data.index("ü".encode())
        data[place] = 0xFF

        assert root(data).text(TEXT) == "gr\\xff\\xbcße"


class TestDamagedFile:
    def broken(self, data: bytes, problem: str) -> None:
        with pytest.raises(ModelError) as caught:
            read_everything(root(data))
        assert caught.value.sentence == f"x.bin: is damaged: {problem}"
        assert caught.value.hint == DAMAGED_HINT == "copy or export the file again"

    def field(self, data: bytes, field: int) -> int:
        place = root(data).where(field)
        assert place is not None
        return place

    @pytest.mark.parametrize("length", range(8))
    def test_shorter_than_any_flatbuffer(self, length: int) -> None:
        self.broken(example()[:length], "it ends before its first table (at byte 0)")

    def test_another_identifier(self) -> None:
        with pytest.raises(ModelError) as caught:
            FlatFile(example(), "x.bin").root(b"TFL3")

        assert caught.value.sentence == 'x.bin: has no identifier "TFL3" at byte 4'

    def test_root_outside(self) -> None:
        data = bytearray(example())
        struct.pack_into("<I", data, 0, len(data) - 3)
        self.broken(data, "an offset points outside the file (at byte 0)")

    @pytest.mark.parametrize("offset", [0, 2**31, 2**32 - 1])
    def test_offset_to_nowhere(self, offset: int) -> None:
        data = bytearray(example())
        place = self.field(data, TEXT)
        struct.pack_into("<I", data, place, offset)
        self.broken(data, f"an offset points outside the file (at byte {place})")

    @pytest.mark.parametrize("vtable", [-(2**31), 2**31 - 1, 10_000])
    def test_layout_outside(self, vtable: int) -> None:
        data = bytearray(example())
        position = root(data).position
        struct.pack_into("<i", data, position, vtable)
        self.broken(data, f"a table's layout is outside the file (at byte {position})")

    @pytest.mark.parametrize("length", [0, 2, 7, 65534])
    def test_layout_of_a_wrong_length(self, length: int) -> None:
        data = bytearray(example())
        position = root(data).position
        vtable = position - struct.unpack_from("<i", data, position)[0]
        struct.pack_into("<H", data, vtable, length)
        self.broken(data, f"a table's layout is broken (at byte {vtable})")

    @pytest.mark.parametrize("offset", [1, 3, 65535])
    def test_field_outside_its_table(self, offset: int) -> None:
        data = bytearray(example())
        position = root(data).position
        slot = position - struct.unpack_from("<i", data, position)[0] + 4
        struct.pack_into("<H", data, slot, offset)
        self.broken(data, f"a field lies outside its table (at byte {slot})")

    @pytest.mark.parametrize("field", [TEXT, CHILDREN, STRINGS, VECTOR, BLOB, STRUCTS])
    @pytest.mark.parametrize("count", [2**32 - 1, 2**31, 10_000])
    def test_list_longer_than_the_file(self, field: int, count: int) -> None:
        data = bytearray(example())
        place = self.field(data, field)
        target = place + struct.unpack_from("<I", data, place)[0]
        struct.pack_into("<I", data, target, count)
        self.broken(data, f"a list is longer than the file (at byte {target})")

    def test_text_without_its_zero(self) -> None:
        data = bytearray(example())
        place = self.field(data, TEXT)
        target = place + struct.unpack_from("<I", data, place)[0]
        data[target + 4 + len("grüße".encode())] = 1
        self.broken(data, f"a text has no end (at byte {target})")

    def test_positions_in_nested_files_count_from_the_outer_start(self) -> None:
        inner = bytearray(example())
        struct.pack_into("<I", inner, 0, 2**31)
        outer = example(bytes(inner))
        start = outer.index(bytes(inner))
        with pytest.raises(ModelError, match=rf"outside the file \(at byte {start}\)"):
            root(outer).nested(BLOB)

    def test_a_span_that_is_not_in_the_file(self) -> None:
        file = FlatFile(example(), "x.bin")
        with pytest.raises(ModelError, match="a nested file reaches outside the file"):
            file.inner(Span(0, 10_000))


class TestWorkIsBounded:
    def test_tables_that_share_their_bytes(self) -> None:
        # 200,000 offsets to one table: 1 MB that would become 200,000 objects.
        builder = flatbuffers.Builder(1024)
        builder.StartObject(1)
        leaf = builder.EndObject()
        builder.StartVector(4, 200_000, 4)
        for _ in range(200_000):
            builder.PrependUOffsetTRelative(leaf)
        many = builder.EndVector()
        builder.StartObject(1)
        builder.PrependUOffsetTRelativeSlot(0, many, 0)
        builder.Finish(builder.EndObject(), b"TEST")
        file = FlatFile(bytes(builder.Output()), "x.bin")

        with file.metered(), pytest.raises(ModelError, match="its parts overlap"):
            file.root(b"TEST").tables(0)
        assert len(file.root(b"TEST").tables(0)) == 200_000

    def test_lists_read_again_and_again(self) -> None:
        file = FlatFile(example(), "x.bin")
        table = file.root()
        with file.metered(), pytest.raises(ModelError, match="its parts overlap"):
            tuple(table.numbers(VECTOR, "<f4") for _ in range(100_000))


class TestAnyBytes:
    @given(st.binary(max_size=200))
    def test_noise(self, data: bytes) -> None:
        self.only_model_errors(data)

    @given(st.integers(0, len(example())))
    def test_truncations(self, length: int) -> None:
        self.only_model_errors(example()[:length])

    @settings(max_examples=500)
    @given(st.data())
    def test_numbers_overwritten(self, data: st.DataObject) -> None:
        damaged = bytearray(example())
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(0, len(damaged) - 4))
            number = data.draw(st.integers(0, 2**32 - 1) | st.integers(0, 300))
            struct.pack_into("<I", damaged, place, number)
        self.only_model_errors(bytes(damaged))

    def only_model_errors(self, data: bytes) -> None:
        try:
            read_everything(FlatFile(data, "x.bin").root())
        except ModelError as error:
            assert error.problem.startswith("is damaged: ")  # noqa: PT017 (either outcome is fine)
