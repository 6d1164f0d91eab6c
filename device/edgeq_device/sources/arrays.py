"""Arrays in .npy and .npz files, read in pieces; nothing in them is ever unpickled."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Union

import numpy as np

from edgeq_device.errors import InputError
from edgeq_device.tensors import Array

ArrayFile = Union[str, Path, bytes]

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK\x03\x04"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class StoredArray:
    """An array that stays in its file until rows (samples) of it are asked for.

    ``file`` names the file in errors, ``open`` opens the array's bytes, whose numbers start at
    ``offset`` and stand row after row.
    """

    file: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    open: Callable[[], BinaryIO]
    offset: int = 0

    def reshaped(self, shape: tuple[int, ...]) -> StoredArray:
        """The same numbers in the same order under another shape."""
        return replace(self, shape=shape)

    def take(self, rows: Iterable[int]) -> Array:
        """The given rows, in ascending order, as one array."""
        parts = list(self.read(_spans(rows)))
        if not parts:
            return np.empty((0, *self.shape[1:]), self.dtype.newbyteorder("="))
        return np.concatenate(parts)

    def batches(self, size: int) -> Iterator[Array]:
        """All rows in order, ``size`` at a time."""
        rows = self.shape[0]
        return self.read((start, min(start + size, rows)) for start in range(0, rows, size))

    def read(self, spans: Iterable[tuple[int, int]]) -> Iterator[Array]:
        """The rows from start to stop of each span, in the machine's byte order.

        The spans must ascend: the file is walked once. InputError where it breaks off.
        """
        size = self.dtype.itemsize * math.prod(self.shape[1:])
        with self.open() as file, _named(self.file):
            _skip(file, self.offset)
            at = 0
            for start, stop in spans:
                _skip(file, (start - at) * size)
                data = file.read((stop - start) * size)
                if len(data) != (stop - start) * size:
                    raise _cut(self.file)
                at = stop
                rows = np.frombuffer(data, self.dtype).reshape(stop - start, *self.shape[1:])
                yield rows.astype(self.dtype.newbyteorder("="), copy=False)
            if isinstance(file, zipfile.ZipExtFile):  # the checksum is compared at the end only
                _skip(file, size * (self.shape[0] - at))
                file.read(1)


def open_arrays(source: ArrayFile, name: str = "") -> dict[str, StoredArray]:
    """The arrays in a .npy file (under the name "") or in a .npz file (under their names).

    ``source`` is a path or a file's bytes, which ``name`` then names in errors. Only the headers
    are read. InputError for a file that is missing, empty, cut off or neither of the two, and
    for arrays of Python objects, which would have to be unpickled.
    """
    name = name or str(source)
    start = _peek(source, name)
    if not start:
        raise InputError(name, "the file is empty", hint="save the arrays again")
    with _named(name):
        if start.startswith(NPY_MAGIC):
            return {"": _stored(name, lambda: _file(source), _length(source))}
        if start.startswith(ZIP_MAGIC):
            return _open_npz(source, name)
    raise InputError(
        name, "not a NumPy file", hint="save it with numpy.save (.npy) or numpy.savez (.npz)"
    )


def _open_npz(source: ArrayFile, name: str) -> dict[str, StoredArray]:
    with zipfile.ZipFile(_for_zip(source)) as archive:
        members = archive.infolist()

    def opener(member: str) -> Callable[[], BinaryIO]:
        return lambda: _member(source, member)

    return {
        each.filename[: -len(".npy")]: _stored(name, opener(each.filename), each.file_size)
        for each in members
        if each.filename.endswith(".npy")
    }


def _member(source: ArrayFile, member: str) -> BinaryIO:
    with zipfile.ZipFile(_for_zip(source)) as archive:
        return archive.open(member)  # type: ignore[return-value]  # keeps the file open itself


def _stored(name: str, opener: Callable[[], BinaryIO], length: int) -> StoredArray:
    with opener() as file:
        version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
        read_header: Any = np.lib.format.read_array_header_2_0
        if version == (1, 0):
            read_header = np.lib.format.read_array_header_1_0
        shape, columns_first, dtype = read_header(file)
        offset = file.tell()
    if dtype.hasobject or dtype.names:
        kind = "Python objects (a pickle)" if dtype.hasobject else "records"
        raise InputError(
            name,
            f"holds {kind}, which edgeq never loads",
            hint="save plain numbers: numpy.save(path, numpy.asarray(data, numpy.float32))",
        )
    if not dtype.itemsize or min(shape, default=0) < 0:  # would hold any number of samples
        raise InputError(name, "a broken NumPy file (its header)", hint="save the file again")
    if length - offset < dtype.itemsize * math.prod(shape):
        raise _cut(name)
    stored = StoredArray(name, tuple(shape), dtype, opener, offset)
    return _rows_first(stored) if columns_first and len(shape) > 1 else stored


def _rows_first(stored: StoredArray) -> StoredArray:
    """What Fortran order keeps column after column can only be read as a whole."""
    (flat,) = stored.reshaped((1, math.prod(stored.shape))).read([(0, 1)])
    data = np.ascontiguousarray(flat.reshape(stored.shape[::-1]).T).tobytes()
    dtype = stored.dtype.newbyteorder("=")
    return StoredArray(stored.file, stored.shape, dtype, lambda: io.BytesIO(data))


def _file(source: ArrayFile) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")


def _for_zip(source: ArrayFile) -> str | Path | BinaryIO:
    # ZipFile closes only what it opened by itself.
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _length(source: ArrayFile) -> int:
    return len(source) if isinstance(source, bytes) else Path(source).stat().st_size


def _peek(source: ArrayFile, name: str) -> bytes:
    try:
        with _file(source) as file:
            return file.read(8)
    except FileNotFoundError as cause:
        raise InputError(name, "no such file", hint="check the path") from cause
    except OSError as cause:
        problem = f"could not be read ({cause.strerror})"
        raise InputError(name, problem, hint="give a file that can be read") from cause


def _spans(rows: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Rows that stand next to each other as one span: a read each would take long."""
    start = stop = 0
    for row in rows:
        if row != stop:
            if stop > start:
                yield start, stop
            start = row
        stop = row + 1
    if stop > start:
        yield start, stop


def _skip(file: BinaryIO, count: int) -> None:
    if not isinstance(file, zipfile.ZipExtFile):
        file.seek(count, io.SEEK_CUR)
        return
    while count > 0:  # read, not sought, so that the checksum covers all
        count -= len(file.read(min(count, _CHUNK))) or count


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Whatever a damaged file makes zipfile and numpy raise becomes an InputError."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError) as cause:
        problem = f"a broken NumPy file ({cause})"
        raise InputError(name, problem, hint="save or copy the file again") from cause
    except (RuntimeError, NotImplementedError) as cause:  # encrypted, or an exotic compression
        raise InputError(name, f"could not be read ({cause})", hint="save it again") from cause
    except MemoryError as cause:
        raise InputError(name, "does not fit into memory", hint="give fewer samples") from cause


def _cut(name: str) -> InputError:
    return InputError(name, "the file is cut off", hint="save or copy the file again")
