"""Tensor names that edgetpu_compiler's ``-i`` can take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeq import model as editable
from edgeq_device.errors import ConfigError
from edgeq_device.tflite import parse_model

_SEPARATORS = ",:"  # between names, and between the lists of several models
_SHOWN = 5


def with_safe_names(
    data: bytes, path: Path, wanted: Sequence[str]
) -> tuple[bytes, tuple[str, ...], dict[str, str]]:
    """A model that ``-i`` can name, ``wanted`` in its names, and the originals by new name.

    Where no name holds a separator or is there twice, that is the model as it was, byte for byte.
    ConfigError where the model has no tensor of a wanted name.
    """
    graph = parse_model(data, str(path)).subgraphs[0]
    names = [tensor.name for tensor in graph.tensors]
    check_names(names, path, wanted)
    renamed: dict[int, str] = {}
    taken = set(names)
    for index, name in enumerate(names):
        if not name or any(mark in name for mark in _SEPARATORS) or name in names[:index]:
            new = f"t{index}"
            while new in taken:
                new += "_"
            taken.add(new)
            renamed[index] = new
    first = {name: renamed.get(index, name) for index, name in reversed([*enumerate(names)])}
    if renamed:
        changed = editable.read(data, str(path))
        for index, new in renamed.items():
            changed.subgraphs[0].tensors[index].name = new
        data = editable.write(changed)
    originals = {new: names[index] for index, new in renamed.items()}
    return data, tuple(first[name] for name in wanted), originals


def check_names(names: Sequence[str], path: Path, wanted: Sequence[str]) -> None:
    """ConfigError where the model has no tensor of a wanted name."""
    for name in wanted:
        if name not in names:
            close = [other for other in names if name and name in other][:_SHOWN]
            hint = f"similar ones: {', '.join(close)}" if close else "see edgeq analyze --json"
            allowed = f"the name of a tensor of {path}"
            raise ConfigError("--intermediate-tensors", name, allowed, hint=hint)
