"""From what a data set calls its classes to the model's class numbers."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from edgeq_device.errors import CalibrationError
from edgeq_device.tensors import Array


@dataclass(frozen=True)
class Matched:
    """The class number of each folder, and how it was found: "name" or "sorted order"."""

    numbers: tuple[int, ...]
    by: str
    warnings: tuple[str, ...] = ()


def match_folders(folders: tuple[str, ...], labels: tuple[str, ...], source: str) -> Matched:
    """The class number of each class folder: where its name is a label, else by sorted order.

    Case, spaces, ``_`` and ``-`` make no difference, and one of a label's names between commas
    is enough ("tabby" for "tabby, tabby cat"). CalibrationError where only some folders match,
    where a name stands for two labels, or where neither names nor numbers fit.
    """
    if not labels:
        return Matched(tuple(range(len(folders))), "sorted order", _order_warnings(folders))
    found = [_numbers_of(folder, labels) for folder in folders]
    unknown = [folder for folder, numbers in zip(folders, found, strict=True) if not numbers]
    if not unknown:
        return Matched(_unique(folders, found, source), "name")
    if len(unknown) < len(folders):
        raise CalibrationError(
            source,
            f"no label for {_some(unknown)}, though other folders have one",
            hint="name each folder as its label",
        )
    if len(folders) != len(labels):
        raise CalibrationError(
            source,
            f"{len(folders)} class folders, but the model has {len(labels)} labels, and no name "
            f"matches",
            hint=f"name each folder as its label ({_some(list(labels))})",
        )
    return Matched(tuple(range(len(folders))), "sorted order", _order_warnings(folders))


def class_numbers(answers: Array, labels: tuple[str, ...], source: str) -> Array:
    """The labels of a .npz as int64 [N]: from numbers, one-hot rows, or texts among ``labels``."""
    if answers.dtype.kind in "US":
        return _from_texts(answers, labels, source)
    if answers.dtype.kind not in "iufb":
        raise _no_labels(source, f"labels in y of type {answers.dtype}")
    if answers.ndim == 2 and answers.shape[1] > 1:
        ones = (answers == 1).sum(axis=1) == 1
        if not (ones & ((answers != 0).sum(axis=1) == 1)).all():
            raise _no_labels(source, "rows in y that are not one-hot")
        answers = answers.argmax(axis=1)
    if answers.ndim != 1 and answers.shape[1:] != (1,):
        raise _no_labels(source, f"labels in y of shape {list(answers.shape)}")
    flat = answers.reshape(-1)
    with np.errstate(invalid="ignore"):  # NaN becomes some number, which then differs
        numbers: Array = flat.astype(np.int64)
    if (numbers != flat).any() or (numbers < 0).any():
        raise _no_labels(source, "labels in y that are no class numbers")
    if labels and numbers.size and numbers.max() >= len(labels):
        raise CalibrationError(
            source,
            f"y holds class {int(numbers.max())}, but the labels end at {len(labels) - 1}",
            hint="give the labels or the test data that belong to this model",
        )
    return numbers


def _from_texts(answers: Array, labels: tuple[str, ...], source: str) -> Array:
    texts = [text.decode() if isinstance(text, bytes) else text for text in answers.ravel()]
    names = tuple(sorted(set(texts)))
    if not labels:
        problem = "y holds texts, but the model has no labels to find them in"
        raise CalibrationError(source, problem, hint="save class numbers in y, or give --labels")
    numbers = {name: _numbers_of(name, labels) for name in names}
    unknown = [name for name in names if not numbers[name]]
    if unknown:
        problem = f"y holds {_some(unknown)}, which is no label of the model"
        raise CalibrationError(source, problem, hint="save class numbers or labels in y")
    unique = dict(zip(names, _unique(names, list(numbers.values()), source), strict=True))
    return np.array([unique[text] for text in texts], np.int64)


def _numbers_of(name: str, labels: tuple[str, ...]) -> tuple[int, ...]:
    """The labels that a name stands for: the whole label, else one of its synonyms."""
    exact = tuple(number for number, label in enumerate(labels) if label == name)
    if exact:
        return exact
    whole, synonyms = defaultdict(list), defaultdict(list)
    for number, label in enumerate(labels):
        whole[_plain(label)].append(number)
        for synonym in {_plain(part) for part in label.split(",")}:
            synonyms[synonym].append(number)
    return tuple(whole.get(_plain(name)) or synonyms.get(_plain(name)) or ())


def _unique(names: tuple[str, ...], found: list[tuple[int, ...]], source: str) -> tuple[int, ...]:
    taken: dict[int, str] = {}
    for name, numbers in zip(names, found, strict=True):
        if len(numbers) > 1:
            problem = f"{name!r} stands for {len(numbers)} labels (numbers {list(numbers)[:5]})"
            raise CalibrationError(source, problem, hint="use the whole, unique label")
        other = taken.setdefault(numbers[0], name)
        if other != name:
            problem = f"{other!r} and {name!r} stand for the same label (number {numbers[0]})"
            raise CalibrationError(source, problem, hint="keep one name per class")
    return tuple(numbers[0] for numbers in found)


def _order_warnings(folders: tuple[str, ...]) -> tuple[str, ...]:
    """Sorted as text, "10" stands before "2": as Keras and torchvision number their classes."""
    if all(name.isdecimal() for name in folders) and list(folders) != sorted(folders, key=int):
        first = next(name for number, name in enumerate(folders) if int(name) != number)
        number = folders.index(first)
        return (
            f"class folders are numbered by their sorted names, as Keras does: {first!r} is class "
            f"{number}",
        )
    return ()


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _some(names: list[str]) -> str:
    return ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")


def _no_labels(source: str, problem: str) -> CalibrationError:
    return CalibrationError(source, problem, hint="save whole class numbers from 0 under 'y'")
