"""An open bundle: its manifest, and its members once their digests were checked."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeq_device.bundle.archive import COPY_HINT, NOT_OURS, Archive
from edgeq_device.bundle.layout import MANIFEST
from edgeq_device.bundle.manifest import Manifest
from edgeq_device.bundle.records import Member
from edgeq_device.closing import Closing
from edgeq_device.errors import BundleError, PathText
from edgeq_device.tensors import Array


@dataclass(frozen=True)
class GoldenVectors:
    """Golden inputs and outputs: one array for each of the model's, ``[samples, *shape]``."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]


def open_bundle(path: PathText) -> Bundle:
    """Open a bundle, with everything checked that can be before use.

    The zip's structure and names, the manifest, and the digest of every member but the models;
    a model's digest is checked when it is asked for. InputError where there is no such file,
    BundleError where it may not be used.
    """
    return Bundle(Path(path))


def looks_like_bundle(path: PathText) -> bool:
    """Whether a regular file starts as a zip does; False also where it cannot be read."""
    try:
        if not Path(path).is_file():
            return False
        with Path(path).open("rb") as file:
            return file.read(2) == b"PK"
    except OSError:
        return False


class Bundle(Closing):
    """An open, memory-mapped bundle; close it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._archive = Archive(path)
        self._checked: set[str] = set()
        try:
            self.manifest = Manifest.from_json(self._archive.manifest, str(path))
            self._archive.check_layout()
            self._check_members()
            self.labels = self._read_labels()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Unmap the file; views that were handed out keep it mapped until they go."""
        self._archive.close()

    @property
    def has_edgetpu(self) -> bool:
        """Whether a compiled model is in it."""
        return self.manifest.models.edgetpu is not None

    def model(self, backend: str) -> memoryview:
        """The model for "cpu" or "edgetpu", its digest checked (once); a view of the file."""
        models = self.manifest.models
        member = models.cpu
        if backend == "edgetpu":
            if models.edgetpu is None:
                problem = "it holds no model compiled for the Edge TPU"
                raise BundleError(self.path, problem, hint="build it where edgetpu_compiler is")
            member = models.edgetpu.member
        return self._verified(member)

    def golden(self) -> GoldenVectors | None:
        """The golden vectors, or None where the manifest gives a reason for having none."""
        golden = self.manifest.golden
        if golden is None:
            return None
        inputs = tuple(self._read_array(member) for member in golden.inputs)
        outputs = tuple(self._read_array(member) for member in golden.outputs)
        specs = (*(info.spec for info in self.manifest.inputs), *self.manifest.outputs)
        members = (*golden.inputs, *golden.outputs)
        for member, array, spec in zip(members, (*inputs, *outputs), specs):
            expected = (golden.samples, *spec.shape)
            if array.dtype != spec.dtype or array.shape != expected:
                problem = (
                    f"{member.path} is {array.dtype} {array.shape}, but {spec.name} needs"
                    f" {spec.dtype} {expected}"
                )
                raise BundleError(self.path, problem, hint=COPY_HINT)
        return GoldenVectors(inputs, outputs)

    def verify_digests(self) -> tuple[str, ...]:
        """Check the SHA-256 of every member; returns their names. BundleError at the first wrong.

        With `open_bundle`'s checks this covers every byte of the file.
        """
        for member in self.manifest.members:
            self._verified(member)
        return tuple(member.path for member in self.manifest.members)

    def _check_members(self) -> None:
        members = {member.path: member for member in self.manifest.members}
        there = set(self._archive.names()) - {MANIFEST}
        for name in sorted(set(members) - there):
            raise BundleError(self.path, f"{name} is missing from it", hint=COPY_HINT)
        for name in sorted(there - set(members)):
            problem = f"{name} is in it, but its manifest does not name it"
            raise BundleError(self.path, problem, hint=NOT_OURS)
        models = self.manifest.models
        big = {models.cpu.path, *([models.edgetpu.member.path] if models.edgetpu else [])}
        for name, member in members.items():
            if self._archive.size(name) != member.bytes:
                size = self._archive.size(name)
                problem = f"{name} has {size} bytes, but its manifest says {member.bytes}"
                raise BundleError(self.path, problem, hint=COPY_HINT)
            if name not in big:
                self._verified(member)

    def _verified(self, member: Member) -> memoryview:
        view = self._archive.view(member.path)
        if member.path not in self._checked:
            if hashlib.sha256(view).hexdigest() != member.sha256:
                problem = f"{member.path} does not match its SHA-256 in the manifest"
                raise BundleError(self.path, problem, hint=COPY_HINT)
            self._checked.add(member.path)
        return view

    def _read_labels(self) -> tuple[str, ...]:
        member = self.manifest.labels
        if member is None:
            return ()
        try:
            text = bytes(self._verified(member)).decode("utf-8")
        except UnicodeDecodeError:
            raise BundleError(self.path, f"{member.path} is not UTF-8", hint=COPY_HINT) from None
        return tuple(text.removesuffix("\n").split("\n"))

    def _read_array(self, member: Member) -> Array:
        """A .npy member as an array; never unpickles, allocates no more than the member has."""
        view = self._verified(member)
        head = io.BytesIO(bytes(view[:4096]))
        try:
            if np.lib.format.read_magic(head) != (1, 0):  # type: ignore[no-untyped-call]
                raise ValueError("not version 1.0")
            shape, fortran, dtype = _read_header(head)
            if fortran or dtype.hasobject:
                raise ValueError("not a plain array in C order")
            return np.frombuffer(view, dtype, offset=head.tell()).reshape(shape)
        except (ValueError, TypeError, SyntaxError) as error:
            problem = f"{member.path} is not a .npy array: {error}"
            raise BundleError(self.path, problem, hint=COPY_HINT) from None


def _read_header(head: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    return np.lib.format.read_array_header_1_0(head)  # type: ignore[no-untyped-call,no-any-return]
