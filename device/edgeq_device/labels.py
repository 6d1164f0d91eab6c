"""Label files: one class a line, in order, or each behind its number."""

from __future__ import annotations

import re
from pathlib import Path

from edgeq_device.errors import InputError

NUMBERED = re.compile(r"\s*(\d+)\s*[:\s]\s*(.+)")


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels by class index.

    Takes a plain list (line 0 is class 0) and pycoral's form ("0 person", "0: person"), in which
    numbers may be missing: those classes get their number as label. InputError for a file that
    is missing, empty or no text.
    """
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(path, "no such file", hint="one label per line, in order") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"no text file ({error})", hint="save it as UTF-8") from error
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise InputError(path, "is empty", hint="one label per line, in order")
    numbered = [NUMBERED.fullmatch(line) for line in lines if line.strip()]
    if all(numbered) and numbered:
        by_number = {int(match.group(1)): match.group(2).strip() for match in numbered if match}
        if len(by_number) == len(numbered) and max(by_number) < 100_000:
            return tuple(by_number.get(number, str(number)) for number in range(max(by_number) + 1))
    return tuple(line.strip() for line in lines)
