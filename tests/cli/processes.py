"""Looks at other processes through /proc: who is whose child, and whether it has ended."""

from __future__ import annotations

import time
from pathlib import Path


def facts(pid: int) -> tuple[str, int, int] | None:
    """A process's state, its parent's pid and its start time; None where it has ended."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return words[0], int(words[1]), int(words[19])


def descendants(pid: int) -> list[int]:
    """All children of a process, and theirs."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (found := facts(int(entry.name))):
            parents[int(entry.name)] = found[1]
    family = [pid]
    for one in family:
        family += [child for child, parent in parents.items() if parent == one]
    return family[1:]


def is_gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether a process ends within some seconds; a zombie, which its parent only has to bury, has.

    The pid is assumed to be nobody else's yet.
    """
    deadline = time.monotonic() + seconds
    while (found := facts(pid)) is not None and found[0] != "Z":
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
