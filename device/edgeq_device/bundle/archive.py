"""The zip around a bundle: what must hold before any of its content is used."""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from edgeq_device.bundle.layout import MANIFEST, MAX_BYTES, MAX_MEMBERS, Entry, lay_out
from edgeq_device.bundle.names import unsafe_name
from edgeq_device.errors import BundleError, InputError

MAX_MANIFEST = 16 * 2**20
"""Bytes of manifest.json: room for the digests of a hundred thousand calibration files."""

MAX_RATIO = 100
"""Bytes that the members of a zip may claim per byte of the file before it counts as a bomb."""

COPY_HINT = "the file is damaged or was altered: copy it again, or build it again"
NOT_OURS = "give a bundle that `edgeq build` made"

_CORRUPT = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ValueError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    EOFError,
    LookupError,
    OSError,
)
"""What zipfile raises on bytes that are no sound zip (it promises BadZipFile alone)."""


class Archive:
    """A mapped zip whose structure was checked; hands out members as memory, without copies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _open(path) as file:
            self._map = self._map_file(file)
            try:
                self._infos, self.manifest = self._read(file)
            except BaseException:
                self.close()
                raise
        self._starts: dict[str, int] = {}

    def check_layout(self) -> None:
        """Every byte between the members must be what `layout` puts there.

        Called once the manifest is known to be of a format that this edgeq reads: another
        format may lie differently.
        """
        declared = sum(info.file_size for info in self._infos.values())
        if declared > MAX_RATIO * len(self._map):
            claim = f"its members claim {declared} bytes, but it has only {len(self._map)}"
            raise self._refuse(f"{claim} (a zip bomb?)")
        for info in self._infos.values():
            if info.compress_type != zipfile.ZIP_STORED:
                raise self._refuse(f"{info.filename} in it is compressed; a bundle's are stored")
        layout = lay_out(
            [Entry(info.filename, info.file_size, info.CRC) for info in self._infos.values()]
        )
        pieces = [(start - len(head), head) for start, head in zip(layout.starts, layout.headers)]
        pieces.append((layout.total - len(layout.ending), layout.ending))
        same = all(self._map[at : at + len(piece)] == piece for at, piece in pieces)
        if layout.total != len(self._map) or not same or self.names()[0] != MANIFEST:
            problem = "its zip is not laid out as edgeq writes it"
            raise BundleError(self.path, problem, hint=COPY_HINT)
        self._starts = dict(zip(self._infos, layout.starts))

    def names(self) -> tuple[str, ...]:
        """The members' names, in the order of the file."""
        return tuple(self._infos)

    def size(self, name: str) -> int:
        """A member's length in bytes."""
        return self._infos[name].file_size

    def view(self, name: str) -> memoryview:
        """A member's bytes, not copied; valid while the archive is open. After `check_layout`."""
        start = self._starts[name]
        return memoryview(self._map)[start : start + self.size(name)]

    def close(self) -> None:
        """Unmap the file, or leave that to the last view of it."""
        with contextlib.suppress(BufferError):
            self._map.close()

    def _map_file(self, file: BinaryIO) -> mmap.mmap:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise InputError(self.path, "the file is empty", hint=NOT_OURS)
        if size > MAX_BYTES:
            raise self._refuse(f"it is {size} bytes long, and a bundle at most {MAX_BYTES}")
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            hint = "give a regular file on a local disk"
            raise InputError(self.path, f"cannot be mapped: {error}", hint=hint) from None

    def _read(self, file: BinaryIO) -> tuple[dict[str, zipfile.ZipInfo], bytes]:
        if self._map[:2] != b"PK":
            raise self._refuse("this is not a bundle (not a zip)")
        try:
            with zipfile.ZipFile(file) as archive:
                infos = self._safe(archive.infolist())
                with archive.open(infos[MANIFEST]) as member:
                    return infos, member.read(MAX_MANIFEST)
        except _CORRUPT as error:
            problem = f"the zip is cut off or damaged ({error})"
            raise BundleError(self.path, problem, hint=COPY_HINT) from None

    def _safe(self, infos: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        if len(infos) > MAX_MEMBERS:
            raise self._refuse(f"it has {len(infos)} members, and a bundle at most {MAX_MEMBERS}")
        members: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            why = unsafe_name(info.orig_filename)
            if why:
                raise self._refuse(f"the name {info.orig_filename!r} in it {why}")
            if (info.external_attr >> 16) & 0o170000 not in (0, 0o100000):
                raise self._refuse(f"{info.filename} in it is a link or a special file")
            if info.flag_bits & 0x1:
                raise self._refuse(f"{info.filename} in it is encrypted")
            if info.filename in members:
                raise self._refuse(f"the name {info.filename!r} stands twice in it")
            members[info.filename] = info
        if MANIFEST not in members:
            raise self._refuse(f"it has no {MANIFEST}")
        size = members[MANIFEST].file_size
        if size > MAX_MANIFEST:
            raise self._refuse(f"{MANIFEST} claims {size} bytes, and may have {MAX_MANIFEST}")
        return members

    def _refuse(self, problem: str) -> BundleError:
        return BundleError(self.path, problem, hint=NOT_OURS)


def _open(path: Path) -> BinaryIO:
    try:
        if not path.is_file() and not path.is_dir() and path.exists():
            hint = "give the file itself, not a pipe or a device"
            raise InputError(path, "this is not a regular file", hint=hint)
        return path.open("rb")
    except FileNotFoundError:
        raise InputError(path, "no such file", hint="check the path") from None
    except IsADirectoryError:
        raise InputError(path, "this is a folder, not a bundle", hint=NOT_OURS) from None
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InputError(path, problem, hint="check its permissions") from None
