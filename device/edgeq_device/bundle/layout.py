"""How a bundle lies in its file, byte for byte: what the packer writes and the reader expects.

A plain zip (PKWARE APPNOTE 6.3, without zip64): each member stored, no gaps, no comments, one
fixed time and mode. So every byte is either covered by a checksum or has one allowed value.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

MANIFEST = "manifest.json"
MODEL_SUFFIX = ".tflite"
ALIGNMENT = 64
"""Models start at a multiple of this: a cache line, and more than a flatbuffer asks for."""

MAX_BYTES = 2**31 - 1
"""The largest bundle: what zip without zip64 can address on every reader."""
MAX_MEMBERS = 1000
MAX_NAME = 200

_VERSION = 20
_MADE_ON_UNIX = 3 << 8
_DATE = 0x21  # 1980-01-01, the first day that zip can name
_MODE = 0o100644 << 16
_PADDING_ID = 0xD935  # the id that Android's zipalign uses for its padding


@dataclass(frozen=True)
class Entry:
    """A member's name (ASCII), its length in bytes, and the CRC-32 of its bytes."""

    name: str
    size: int
    crc: int


@dataclass(frozen=True)
class Layout:
    """Where each member's bytes start, what stands before each, and what ends the file."""

    headers: tuple[bytes, ...]
    starts: tuple[int, ...]
    ending: bytes
    total: int


def lay_out(entries: Sequence[Entry]) -> Layout:
    """The one layout of these members in this order."""
    headers, starts, directory = [], [], []
    position = 0
    for entry in entries:
        header = _local_header(entry, position)
        directory.append(_directory_record(entry, position))
        headers.append(header)
        starts.append(position + len(header))
        position += len(header) + entry.size
    records = b"".join(directory)
    count = len(entries)
    ending = records + struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(records), position, 0
    )
    return Layout(tuple(headers), tuple(starts), ending, position + len(ending))


def _common(entry: Entry, extra: int) -> bytes:
    """The 26 bytes that the local header and the directory record share."""
    sizes = (entry.crc, entry.size, entry.size, len(entry.name), extra)
    return struct.pack("<5H3L2H", _VERSION, 0, 0, 0, _DATE, *sizes)


def _local_header(entry: Entry, position: int) -> bytes:
    padding = b""
    if entry.name.endswith(MODEL_SUFFIX):
        room = -(position + 30 + len(entry.name)) % ALIGNMENT
        if 0 < room < 4:  # an extra field is at least its own 4-byte head
            room += ALIGNMENT
        if room:
            padding = struct.pack("<2H", _PADDING_ID, room - 4) + bytes(room - 4)
    return b"PK\3\4" + _common(entry, len(padding)) + entry.name.encode("ascii") + padding


def _directory_record(entry: Entry, position: int) -> bytes:
    head = b"PK\1\2" + struct.pack("<H", _MADE_ON_UNIX | _VERSION) + _common(entry, 0)
    return head + struct.pack("<3H2L", 0, 0, 0, _MODE, position) + entry.name.encode("ascii")
