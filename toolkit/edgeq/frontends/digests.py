"""sha256 of what a model was read from."""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_digest(path: Path) -> str:
    """sha256 of a file, as hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def folder_digest(folder: Path) -> str:
    """sha256 over the sorted files of a folder: relative path, NUL, the file's digest, newline."""
    digest = hashlib.sha256()
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    for name in files:
        if (folder / name).is_file():
            digest.update(f"{name}\0{file_digest(folder / name)}\n".encode())
    return digest.hexdigest()
