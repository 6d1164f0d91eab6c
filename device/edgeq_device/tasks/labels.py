"""Label files: one class per line, with or without the class's number in front."""

from __future__ import annotations

import re
from pathlib import Path

from edgeq_device.errors import InputError

MAX_CLASSES = 1_000_000
_NUMBERED = re.compile(r"\s*(\d+)(?:\s*[:,]\s*|\s+)(\S.*)")


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels in a text file, in the order of their index.

    Either line n is the label of class n, or every line is "n label" (also "n: label"), as
    Coral's label files are; then classes that are left out get their number as a label.
    InputError for a file that is missing, empty, not UTF-8, or names one class twice.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InputError(path, problem, hint="give a text file with one label per line") from None
    except UnicodeDecodeError:
        raise InputError(path, "is not UTF-8 text", hint="save it as UTF-8") from None
    lines = text.rstrip().splitlines()
    if not lines:
        raise InputError(path, "holds no labels", hint="write one label per line")
    numbered = [_NUMBERED.fullmatch(line) for line in lines if line.strip()]
    pairs = [(int(match[1]), match[2].strip()) for match in numbered if match]
    if len(pairs) < len(numbered):
        return tuple(line.strip() for line in lines)
    return _in_order(path, pairs)


def labels_doubt(labels: int, classes: int) -> str:
    """A warning where so many labels hardly belong to so many classes, else ""; 0: there are none.

    ImageNet's label files come with and without "background", which shifts every name by one.
    """
    if not labels or not classes or labels == classes:
        return ""
    found = f"{labels} labels for {classes} classes"
    if labels == classes + 1:
        return f"{found}: is the first one 'background'?"
    if labels == classes - 1:
        return f"{found}: is class 0 'background'?"
    return f"{found}: do they belong to this model?"


def _in_order(path: Path, pairs: list[tuple[int, str]]) -> tuple[str, ...]:
    labels: dict[int, str] = {}
    for index, label in pairs:
        if index in labels or index >= MAX_CLASSES:
            problem = f"names class {index} twice"
            if index >= MAX_CLASSES:
                problem = f"names class {index}, and there may be {MAX_CLASSES}"
            raise InputError(path, problem, hint="write each class once, as: 0 background")
        labels[index] = label
    return tuple(labels.get(index, str(index)) for index in range(max(labels) + 1))
