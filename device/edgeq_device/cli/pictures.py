"""Annotated pictures in a folder, one per input."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeq_device import console
from edgeq_device.errors import ConfigError, OutputError
from edgeq_device.files import replacing
from edgeq_device.sources import list_pictures

if TYPE_CHECKING:
    from edgeq_device.runner import Result
    from edgeq_device.sources import Input


class PictureSaver:
    """Saves what was seen, with what the model said of it, as PNG; ``note`` names the model."""

    def __init__(self, folder: Path, note: str, *, force: bool) -> None:
        self._folder = folder
        self._note = note
        self._force = force
        self._used: set[str] = set()
        self._warned = False
        self._saved = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"cannot be made: {error.strerror}"
            raise OutputError(folder, problem, hint="name another folder") from None

    def save(self, each: Input, result: Result, milliseconds: float) -> Path | None:
        """Draw and write one picture; None (with a warning, once) where there is none to draw."""
        from edgeq_device.tasks import Classification, annotate

        picture = _picture_of(each)
        if picture is None or not isinstance(result, Classification):
            if not self._warned:
                what = "raw outputs" if picture else "inputs that are no pictures"
                console.warn(f"--save-dir: nothing is drawn for {what}")
            self._warned = True
            return None
        path = self._path(each.name)
        drawn = annotate(picture, result, f"{self._note} · {milliseconds:.1f} ms")
        with replacing(path) as (file, _):
            drawn.save(file, format="PNG")
        self._saved += 1
        return path

    def check(self, sources: Sequence[str]) -> None:
        """ConfigError where a picture that these sources lead to is there already, unless forced.

        Arrays and stdin are left out: what is in them is known once they are read.
        """
        kept = set(self._used)
        for source in sources:
            path = Path(source)
            if path.is_dir():
                for picture in list_pictures(path):
                    self._path(str(picture))
            elif source != "-" and path.suffix.lower() not in (".npy", ".npz"):
                self._path(source)
        self._used = kept

    def tell(self) -> None:
        """Say on stderr how many pictures were left where; nothing where there is none."""
        if self._saved:
            noun = "picture" if self._saved == 1 else "pictures"
            console.say(f"saved {self._saved} {noun} in {self._folder}")

    def _path(self, name: str) -> Path:
        base = Path(name).name
        stem = re.sub(r"[^\w.-]+", "_", base if base.endswith("]") else Path(base).stem).strip("_")
        unique, count = stem, 1
        while unique in self._used:
            count += 1
            unique = f"{stem}-{count}"
        self._used.add(unique)
        path = self._folder / f"{unique}.png"
        if path.exists() and not self._force:
            allowed = "a folder without that picture"
            raise ConfigError("--save-dir", str(path), allowed, hint="--force overwrites it")
        return path


def _picture_of(each: Input) -> Any:
    """The picture that was given, or the pixels of an array that looks like one; else None."""
    from edgeq_device.sources import open_picture

    if each.picture is not None:
        return open_picture(each.picture, each.name)
    import numpy as np

    array = each.arrays[0]
    if len(each.arrays) != 1 or array.dtype != np.uint8 or array.ndim not in (3, 4):
        return None
    pixels = array[0] if array.ndim == 3 or array.shape[-1] != 1 else array[0, ..., 0]
    if pixels.ndim == 3 and pixels.shape[-1] != 3:
        return None
    from PIL import Image

    return Image.fromarray(pixels)
