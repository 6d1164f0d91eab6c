"""Peak resident memory of a process and its children, from /proc while they run.

``wait4`` cannot tell them apart: its ``ru_maxrss`` is the largest of the process and of all
children that it waited for.
"""

from __future__ import annotations

import os
import select
import subprocess
from contextlib import suppress
from pathlib import Path

INTERVAL_MILLISECONDS = 25


class MemoryWatch:
    """Looks at a process tree forty times a second and keeps the peaks, in bytes.

    ``rest_bytes`` is the peak of all processes together but those with the word ``apart`` in
    their command line; ``apart_bytes`` is the peak of these. Pages that two processes share count
    for both.
    """

    def __init__(self, root: int, apart: str) -> None:
        self.rest_bytes = 0
        self.apart_bytes = 0
        self._root = root
        self._apart = apart
        self._family = {root}
        self._strangers: set[int] = set()
        self._seen: set[tuple[int, str]] = set()

    def until_exit(self, process: subprocess.Popen[bytes]) -> int:
        """Watches until ``process`` ends; its exit code."""
        end = os.pidfd_open(process.pid)
        try:
            poll = select.poll()
            poll.register(end, select.POLLIN)
            self._look()
            while not poll.poll(INTERVAL_MILLISECONDS):
                self._look()
        finally:
            os.close(end)
        return process.wait()

    def _look(self) -> None:
        self._find_children()
        rest = apart = 0
        seen: set[tuple[int, str]] = set()
        for pid in self._family:
            with suppress(OSError):
                command = _command(pid)
                seen.add((pid, command))
                # Between fork and exec a child shows its parent's memory: count it from the
                # second look on.
                if pid != self._root and (pid, command) not in self._seen:
                    continue
                now, peak = _resident(pid)
                if self._apart and self._apart in command:
                    apart += now
                    self.apart_bytes = max(self.apart_bytes, peak)
                else:
                    rest += now
                    self.rest_bytes = max(self.rest_bytes, peak)
        self._seen = seen
        self.rest_bytes = max(self.rest_bytes, rest)
        self.apart_bytes = max(self.apart_bytes, apart)

    def _find_children(self) -> None:
        """Sorts the processes that are new since the last look; a parent is older than a child."""
        running = {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
        self._strangers &= running
        for pid in sorted(running - self._family - self._strangers):
            parent = -1
            with suppress(OSError):
                parent = _parent(pid)
            (self._family if parent in self._family else self._strangers).add(pid)


def _parent(pid: int) -> int:
    # The second field, the name, stands in brackets and may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1])


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def _resident(pid: int) -> tuple[int, int]:
    """Resident memory of ``pid`` now, and its highest so far, in bytes."""
    now = peak = 0
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            now = int(line.split()[1]) * 1024
        elif line.startswith("VmHWM:"):
            peak = int(line.split()[1]) * 1024
    return now, peak
