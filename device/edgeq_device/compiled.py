"""Reads the program inside an operator ``edgetpu-custom-op``: what the compiler really made.

The operator's options are a FlexBuffer map; its string "4" is a flatbuffer "DWN1" (Package) that
holds a MultiExecutable, which holds the executables. Field numbers are those of libedgetpu's
public executable.fbs. Everything is untrusted: each offset is checked before it is used.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgeq_device.errors import ModelError
from edgeq_device.flatfile import DAMAGED_HINT, Bytes, FlatFile, Table

STAND_ALONE, PARAMETER_CACHING, EXECUTION_ONLY = (
    "STAND_ALONE",
    "PARAMETER_CACHING",
    "EXECUTION_ONLY",
)
_TYPES = (STAND_ALONE, PARAMETER_CACHING, EXECUTION_ONLY)
_PACKAGE_KEY = b"4"
_STRING, _MAP = 5, 9  # FlexBuffer types
_MOST_KEYS = 64  # the real maps have 3 to 5


@dataclass(frozen=True)
class Executable:
    """One executable of a program; sizes in bytes."""

    type: str
    """STAND_ALONE, PARAMETER_CACHING or EXECUTION_ONLY."""
    parameter_bytes: int
    instruction_bytes: int
    """Sent to the Edge TPU at every inference, except for PARAMETER_CACHING."""
    caching_token: int
    """Programs with the same token share the Edge TPU's memory: a co-compiled set."""


@dataclass(frozen=True)
class Program:
    """What one compiled operator holds."""

    min_runtime_version: int
    executables: tuple[Executable, ...]

    @property
    def cached_bytes(self) -> int:
        """Parameters that stay in the Edge TPU's memory."""
        return sum(one.parameter_bytes for one in self.executables if one.type == PARAMETER_CACHING)

    @property
    def streamed_bytes(self) -> int:
        """Parameters that are sent again for every inference."""
        return sum(one.parameter_bytes for one in self.executables if one.type != PARAMETER_CACHING)


def read_program(options: Bytes, name: str) -> Program:
    """The program in the custom options of an ``edgetpu-custom-op`` of the file ``name``.

    ModelError where the options hold none, or a damaged one.
    """
    flex = FlatFile(options, name)
    start, length = _package(flex)
    package = FlatFile(flex.view[start : start + length], name)
    with package.metered():
        root = package.root(b"DWN1")
        multi = root.nested(1)
        spans = multi.blobs(0) if multi is not None else ()
        # The spans count from the start of `package`: nested files keep the outer positions.
        executables = tuple(_executable(package.inner(span).root()) for span in spans)
    if not executables:
        raise ModelError(name, "holds an Edge TPU program without executables", hint=DAMAGED_HINT)
    return Program(root.scalar(0, "i"), executables)


def _executable(table: Table) -> Executable:
    kind = table.scalar(13, "h")
    if not 0 <= kind < len(_TYPES):
        table.file.damaged(f"an executable of the unknown type {kind}", table.position)
    return Executable(
        type=_TYPES[kind],
        parameter_bytes=len(table.blob(6)),
        instruction_bytes=sum(len(stream.blob(0)) for stream in table.tables(5)),
        caching_token=table.scalar(14, "Q"),
    )


def _package(flex: FlatFile) -> tuple[int, int]:
    """First byte and length of the string "4" of the FlexBuffer map."""
    if flex.size < 3:
        flex.damaged("an Edge TPU program without a package", 0)
    root_width, packed = flex.view[flex.size - 1], flex.view[flex.size - 2]
    if root_width not in (1, 2, 4, 8) or packed >> 2 != _MAP:
        flex.damaged("an Edge TPU program that is no map", flex.size - 2)
    values = _indirect(flex, flex.size - 2 - root_width, root_width)
    width = 1 << (packed & 3)
    count = _number(flex, values - width, width)
    if count > _MOST_KEYS:
        flex.damaged("an Edge TPU program with too many entries", values)
    keys_width = _number(flex, values - 2 * width, width)
    if keys_width not in (1, 2, 4, 8):
        flex.damaged("an Edge TPU program with broken keys", values)
    keys = _indirect(flex, values - 3 * width, width)
    for index in range(count):
        key = _indirect(flex, keys + index * keys_width, keys_width)
        if _key(flex, key) == _PACKAGE_KEY:
            kind = _number(flex, values + count * width + index, 1)
            if kind >> 2 != _STRING:
                flex.damaged("an Edge TPU program whose package is no string", values)
            text = _indirect(flex, values + index * width, width)
            length_width = 1 << (kind & 3)
            length = _number(flex, text - length_width, length_width)
            flex.need(text, length, "a package")
            return text, length
    return flex.damaged("an Edge TPU program without a package", values)


def _number(flex: FlatFile, position: int, width: int) -> int:
    flex.need(position, width, "a number")
    return int.from_bytes(flex.view[position : position + width], "little")


def _indirect(flex: FlatFile, position: int, width: int) -> int:
    """Where the offset at ``position`` points: FlexBuffer offsets point backwards."""
    target = position - _number(flex, position, width)
    flex.need(target, 0, "an offset")
    return target


def _key(flex: FlatFile, position: int) -> bytes:
    return bytes(flex.view[position : position + 16]).partition(b"\0")[0]
