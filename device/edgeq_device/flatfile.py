"""Reads flatbuffers out of untrusted bytes: the one place where offsets are followed.

A flatbuffer is a web of relative offsets. Every offset, length and vtable is checked against
the size of the file before it is used; nothing is copied and nothing is allocated on the word
of a length field alone. Whatever does not hold raises `ModelError` with the file's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from struct import Struct
from typing import Any, NoReturn, Union

import numpy as np

from edgeq_device.errors import ModelError
from edgeq_device.tensors import Array

Bytes = Union[bytes, bytearray, memoryview, Any]
"""Anything with the buffer protocol: bytes, a memoryview, an mmap."""

DAMAGED_HINT = "copy or export the file again"

_INT32 = Struct("<i")
_UINT32 = Struct("<I")
_UINT16 = Struct("<H")
_SCALARS = {code: Struct("<" + code) for code in "bBhHiIqQfd?"}

# What one table costs against the budget of a metered reading, in vector elements: about the
# ratio of the Python objects that a caller makes of each.
_TABLE_COST = 16
_SPARE_BUDGET = 1 << 16


@dataclass(frozen=True)
class Span:
    """A run of bytes in a file: its first byte, counted from the file's start, and its length."""

    start: int
    length: int


class FlatFile:
    """A flatbuffer in memory, read-only.

    ``base`` is where ``data`` starts in the outer file, for a flatbuffer nested in another:
    positions in errors and in `Span` count from the outer file's start.
    """

    def __init__(self, data: Bytes, name: str, *, base: int = 0) -> None:
        self.view = memoryview(data).cast("B").toreadonly()
        self.name = name
        self.base = base
        self.size = len(self.view)
        self._budget: int | None = None

    def root(self, identifier: bytes | None = None) -> Table:
        """The root table; ``identifier`` is the four bytes that must stand at byte 4."""
        if self.size < 8:
            self.damaged("it ends before its first table", 0)
        if identifier is not None and bytes(self.view[4:8]) != identifier:
            wanted = identifier.decode("ascii", "backslashreplace")
            raise ModelError(
                self.name, f'has no identifier "{wanted}" at byte 4', hint=DAMAGED_HINT
            )
        return Table(self, self.follow(0))

    def damaged(self, problem: str, position: int) -> NoReturn:
        """Raise the error for a file that breaks the format at ``position`` (in this buffer)."""
        where = self.base + max(position, 0)
        raise ModelError(self.name, f"is damaged: {problem} (at byte {where})", hint=DAMAGED_HINT)

    def need(self, position: int, length: int, what: str) -> None:
        """Check that ``length`` bytes at ``position`` are inside the file."""
        if position < 0 or length < 0 or position + length > self.size:
            self.damaged(f"{what} reaches outside the file", position)

    def follow(self, position: int) -> int:
        """The absolute position that the unsigned offset at ``position`` points to."""
        self.need(position, 4, "an offset")
        offset: int = _UINT32.unpack_from(self.view, position)[0]
        target = position + offset
        if offset == 0 or target + 4 > self.size:
            self.damaged("an offset points outside the file", position)
        return target

    def extent(self, position: int, itemsize: int) -> tuple[int, int]:
        """First byte and number of elements of the vector whose length stands at ``position``."""
        self.need(position, 4, "a length")
        count: int = _UINT32.unpack_from(self.view, position)[0]
        if position + 4 + count * itemsize > self.size:
            self.damaged("a list is longer than the file", position)
        return position + 4, count

    def text(self, position: int) -> str:
        """The string whose length stands at ``position``; undecodable bytes are escaped."""
        start, length = self.extent(position, 1)
        # C++ readers take strings as zero-terminated: without the zero they would run on.
        if start + length >= self.size or self.view[start + length] != 0:
            self.damaged("a text has no end", position)
        self.spend(length // 8 + 1)
        return str(self.view[start : start + length], "utf-8", "backslashreplace")

    def inner(self, span: Span) -> FlatFile:
        """The flatbuffer nested in ``span`` of the outermost file, as a file of its own."""
        start = span.start - self.base
        self.need(start, span.length, "a nested file")
        return FlatFile(self.view[start : start + span.length], self.name, base=span.start)

    @contextmanager
    def metered(self) -> Iterator[None]:
        """Inside the block, refuse a file that takes far more work to read than its size.

        Offsets may share targets, so a small file can describe a billion tables. The budget is
        one element for two bytes of file, and as many elements as a table costs for each table.
        """
        self._budget = self.size // 2 + _SPARE_BUDGET
        try:
            yield
        finally:
            self._budget = None

    def spend(self, elements: int) -> None:
        """Count work against the budget of `metered`."""
        if self._budget is not None:
            self._budget -= elements
            if self._budget < 0:
                self.damaged("its parts overlap: they hold more than the file's size allows", 0)


class Table:
    """One table of a flatbuffer: fields by number, absent ones give their default."""

    __slots__ = ("_end", "_vtable", "file", "position")

    def __init__(self, file: FlatFile, position: int) -> None:
        """The table at ``position``; its vtable is checked here."""
        self.file = file
        self.position = position
        file.need(position, 4, "a table")
        vtable = position - _INT32.unpack_from(file.view, position)[0]
        if vtable < 0 or vtable + 4 > file.size:
            file.damaged("a table's layout is outside the file", position)
        length: int = _UINT16.unpack_from(file.view, vtable)[0]
        if length < 4 or length % 2 or vtable + length > file.size:
            file.damaged("a table's layout is broken", vtable)
        self._vtable = vtable
        self._end = vtable + length

    def where(self, field: int) -> int | None:
        """The position of a field's own bytes in this buffer, or None where it is absent."""
        slot = self._vtable + 4 + 2 * field
        if slot >= self._end:
            return None
        offset: int = _UINT16.unpack_from(self.file.view, slot)[0]
        if offset == 0:
            return None
        if offset < 4 or self.position + offset >= self.file.size:
            self.file.damaged("a field lies outside its table", slot)
        return self.position + offset

    def has(self, field: int) -> bool:
        """True where the field is stored."""
        return self.where(field) is not None

    def scalar(self, field: int, code: str, default: Any = 0) -> Any:
        """A number or truth value; ``code`` is a letter of `struct`: b B h H i I q Q f d ?."""
        place = self.where(field)
        if place is None:
            return default
        layout = _SCALARS[code]
        self.file.need(place, layout.size, "a value")
        return layout.unpack_from(self.file.view, place)[0]

    def target(self, field: int) -> int | None:
        """Where the offset stored in a field points to, or None where the field is absent."""
        place = self.where(field)
        return None if place is None else self.file.follow(place)

    def table(self, field: int) -> Table | None:
        """A table (also the value of a union, whose type is the field before)."""
        target = self.target(field)
        return None if target is None else Table(self.file, target)

    def text(self, field: int) -> str | None:
        """A string, or None where it is absent."""
        target = self.target(field)
        return None if target is None else self.file.text(target)

    def span(self, field: int, itemsize: int = 1) -> Span | None:
        """Where a vector's elements lie in the outermost file, in bytes; None where absent."""
        target = self.target(field)
        if target is None:
            return None
        start, count = self.file.extent(target, itemsize)
        return Span(self.file.base + start, count * itemsize)

    def blob(self, field: int) -> memoryview:
        """The bytes of a byte vector or string, not copied; empty where absent."""
        target = self.target(field)
        if target is None:
            return self.file.view[0:0]
        start, length = self.file.extent(target, 1)
        return self.file.view[start : start + length]

    def vector(self, field: int, dtype: Any) -> Array:
        """A vector of numbers or structs as a read-only view (1-D); empty where absent."""
        layout = np.dtype(dtype)
        target = self.target(field)
        if target is None:
            return np.empty(0, layout)
        start, count = self.file.extent(target, layout.itemsize)
        return np.frombuffer(self.file.view, layout, count, start)

    def numbers(self, field: int, dtype: Any) -> tuple[Any, ...]:
        """A vector of numbers as Python numbers; empty where absent."""
        values = self.vector(field, dtype)
        self.file.spend(values.size)
        return tuple(values.tolist())

    def tables(self, field: int) -> tuple[Table, ...]:
        """A vector of tables; empty where absent."""
        return tuple(Table(self.file, target) for target in self._targets(field, _TABLE_COST))

    def strings(self, field: int) -> tuple[str, ...]:
        """A vector of strings; empty where absent."""
        return tuple(self.file.text(target) for target in self._targets(field, 1))

    def blobs(self, field: int) -> tuple[Span, ...]:
        """A vector of byte strings, as places in the outermost file; empty where absent."""
        file = self.file
        places = (file.extent(target, 1) for target in self._targets(field, _TABLE_COST))
        return tuple(Span(file.base + start, length) for start, length in places)

    def nested(self, field: int, identifier: bytes | None = None) -> Table | None:
        """The root of a flatbuffer stored in a byte vector; None where absent or empty."""
        span = self.span(field)
        return None if span is None or not span.length else self.file.inner(span).root(identifier)

    def _targets(self, field: int, cost: int) -> Iterator[int]:
        target = self.target(field)
        if target is None:
            return
        start, count = self.file.extent(target, 4)
        self.file.spend(count * cost)
        for place in range(start, start + 4 * count, 4):
            yield self.file.follow(place)
