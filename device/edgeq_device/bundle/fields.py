"""Strict reading of JSON: each wrong key is named with what was seen and what must stand there."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Callable, TypeVar

from edgeq_device.errors import BundleError

T = TypeVar("T")

MAX_DEPTH_ERROR = "manifest.json is nested too deeply"
HINT = "build the bundle again with `edgeq build`"


def parse_object(text: bytes, source: str) -> Fields:
    """JSON bytes -> the fields of its top object; BundleError where it is none."""
    try:
        plain = json.loads(
            text.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
    except RecursionError:
        raise BundleError(source, MAX_DEPTH_ERROR, hint=HINT) from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise BundleError(source, f"manifest.json is not JSON: {error}", hint=HINT) from None
    return Fields(plain, "", source)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return plain


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


class Fields:
    """One JSON object, read key by key; ``where`` is its own key path ("" at the top)."""

    def __init__(self, plain: object, where: str, source: str) -> None:
        if not isinstance(plain, dict):
            raise _wrong(source, where or "the manifest", plain, "an object")
        self._plain = plain
        self._where = where
        self._source = source

    def text(self, key: str, allowed: Sequence[str] = ()) -> str:
        """A string, one of ``allowed`` where that is given."""
        value = self._get(key)
        if not isinstance(value, str):
            raise self.wrong(key, "a string")
        if allowed and value not in allowed:
            raise self.wrong(key, "one of " + ", ".join(repr(word) for word in allowed))
        return value

    def whole(self, key: str, least: int, most: int = 2**63 - 1) -> int:
        """A whole number from ``least`` to ``most``."""
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(key, f"a whole number from {least} to {most}")
        return value

    def number(self, key: str) -> float:
        """A finite number."""
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong(key, "a number")
        if not math.isfinite(value):
            raise self.wrong(key, "a finite number")
        return float(value)

    def fields(self, key: str) -> Fields:
        """An object."""
        return Fields(self._get(key), self._path(key), self._source)

    def optional(self, key: str, read: Callable[[Fields], T]) -> T | None:
        """``read`` of an object, or None where null stands."""
        return None if self._get(key) is None else read(self.fields(key))

    def each(self, key: str, read: Callable[[Fields], T], least: int = 0) -> tuple[T, ...]:
        """``read`` of each object in a list of at least ``least``."""
        items = self._list(key, least)
        return tuple(
            read(Fields(item, f"{self._path(key)}[{index}]", self._source))
            for index, item in enumerate(items)
        )

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        items = self._list(key, 0)
        if not all(isinstance(item, str) for item in items):
            raise self.wrong(key, "a list of strings")
        return tuple(items)

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of at least one finite number."""
        items = self._list(key, 1)
        if not all(type(item) in (int, float) and math.isfinite(item) for item in items):
            raise self.wrong(key, "a list of finite numbers")
        return tuple(float(item) for item in items)

    def shape(self, key: str) -> tuple[int, ...]:
        """A list of dimensions, each at least 1."""
        items = self._list(key, 0)
        if not all(type(item) is int and 1 <= item < 2**31 for item in items) or len(items) > 8:
            raise self.wrong(key, "a list of at most 8 dimensions, each at least 1")
        return tuple(items)

    def mapping(self, key: str) -> dict[str, Any]:
        """An object whose content is not judged."""
        value = self._get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return value

    def wrong(self, key: str, must: str) -> BundleError:
        """The error for a key whose value is not what it must be."""
        return _wrong(self._source, self._path(key), self._plain.get(key), must)

    def has(self, key: str) -> bool:
        """Whether the key is there and not null."""
        return self._plain.get(key) is not None

    def _get(self, key: str) -> Any:
        if key not in self._plain:
            problem = f"manifest.json lacks {self._path(key)}"
            raise BundleError(self._source, problem, hint=HINT)
        return self._plain[key]

    def _list(self, key: str, least: int) -> list[Any]:
        value = self._get(key)
        if not isinstance(value, list) or len(value) < least:
            raise self.wrong(key, f"a list of at least {least}" if least else "a list")
        return value

    def _path(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key


def _wrong(source: str, where: str, seen: object, must: str) -> BundleError:
    shown = json.dumps(seen, default=str)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    problem = f"manifest.json: {where} is {shown}, but must be {must}"
    return BundleError(source, problem, hint=HINT)
