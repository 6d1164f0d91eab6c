"""Keeps what the compiler made, so that the same compilation is never paid twice.

One file an entry: a line of JSON (digest of the rest, exit code, length of the log, names and
lengths of the files), then the log and the files. Entries are written beside their place and
renamed, so that writers at the same time are safe; a damaged entry counts as absent.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeq_device.errors import OutputError
from edgeq_device.files import write_file

_FORMAT = 1
_LONGEST_HEADER = 1 << 20


@dataclass(frozen=True)
class Kept:
    """What one run of the compiler left: its words and its files, by name."""

    log: str
    files: dict[str, bytes] = field(repr=False)


def default_folder() -> Path:
    """Where results are kept: the user's own cache folder."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("edgeq")) / "compiled"


def key(version: str, arguments: list[str], models: list[bytes]) -> str:
    """The name of a compilation: all that decides its result."""
    digests = [hashlib.sha256(model).hexdigest() for model in models]
    facts = json.dumps([_FORMAT, version, arguments, digests])
    return hashlib.sha256(facts.encode()).hexdigest()


def load(folder: Path, name: str) -> Kept | None:
    """The entry, or None where it is absent or damaged."""
    try:
        raw = (folder / name).read_bytes()
        header, body = _split(raw)
        if hashlib.sha256(body).hexdigest() != header["sha256"]:
            return None
        start = int(header["log"])
        log = body[:start].decode("utf-8", "surrogateescape")
        files = {}
        for file, length in header["files"]:
            files[Path(str(file)).name] = body[start : start + int(length)]
            start += int(length)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Kept(log, files)


def store(folder: Path, name: str, kept: Kept) -> None:
    """Keep an entry; a full disk or a folder that cannot be written is no reason to fail."""
    log = kept.log.encode("utf-8", "surrogateescape")
    body = log + b"".join(kept.files.values())
    header = {
        "sha256": hashlib.sha256(body).hexdigest(),
        "log": len(log),
        "files": [[file, len(data)] for file, data in kept.files.items()],
    }
    with suppress(OSError, OutputError):
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / name, json.dumps(header).encode() + b"\n" + body)


def _split(raw: bytes) -> tuple[dict[str, Any], bytes]:
    end = raw.index(b"\n", 0, _LONGEST_HEADER)
    return json.loads(raw[:end]), raw[end + 1 :]
