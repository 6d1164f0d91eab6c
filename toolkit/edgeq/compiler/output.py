"""Reads what edgetpu_compiler 2.0 to 16.0 prints."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAPPED = "Mapped to Edge TPU"
"""The one status of an operator that runs on the Edge TPU; every other text means the CPU."""

_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_VERSION = re.compile(r"^Edge TPU Compiler version (\S+)", re.MULTILINE)
_SUCCESS = re.compile(r"^Models? compiled successfully in (\d+) ms", re.MULTILINE)
_FAILED = re.compile(r"^(Compilation failed|Internal compiler error|Invalid model)", re.MULTILINE)
_SIZE = re.compile(r"^(?P<key>O[nf]f?-chip memory [a-z ]+): (?P<value>[\d.]+)(?P<unit>[KMG]?i?B)")
_COUNT = re.compile(r"^(?P<key>(Number|Total number) of [A-Za-z ]+): (?P<value>\d+)")
_ATTEMPT = re.compile(
    r"^Try to compile segment with (\d+) ops[ \t\r]*(?:\nIntermediate tensors: *(\S.*))?",
    re.MULTILINE,
)
_KNOWN = re.compile(
    r"Edge TPU Compiler version |Searching for valid delegate with step \d+|Started a compilation "
    r"timeout timer of |Compilation child process completed |Compilation (succeeded|failed)\b|"
    r"Compilation timeout\.|Try to compile segment with \d+ ops|Intermediate tensors: |"
    r"Models? compiled successfully in \d+ ms|(Input|Output) (model|size): |O(n|ff)-chip memory |"
    r"Number of |Total number of operations: |Operation log: |See the operation log file |"
    r"Model successfully compiled but not all |Operator +Count +Status|\S+ +\d+ +\S|"
    r"ERROR: |Internal compiler error|Invalid model: |Model (could not be parsed|not quantized)"
)
_HEADER = re.compile(r"^Operator\s+Count\s+Status\s*$")
_ROW = re.compile(r"^(\S+)\s+(\d+)\s+(\S.*?)\s*$")

_USED = "On-chip memory used for caching model parameters"
_REMAINING = "On-chip memory remaining for caching model parameters"
_AVAILABLE = "On-chip memory available for caching model parameters"  # 2.0: used and remaining
_STREAMED = "Off-chip memory used for streaming uncached model parameters"
_SUBGRAPHS = "Number of Edge TPU subgraphs"
_TOTAL = "Total number of operations"
_ON_TPU = "Number of operations that will run on Edge TPU"


@dataclass(frozen=True)
class OperatorRow:
    """One row of the compiler's table: ``count`` operators of one kind and one status."""

    op: str
    count: int
    status: str

    @property
    def mapped(self) -> bool:
        """True where they run on the Edge TPU."""
        return self.status == MAPPED


@dataclass(frozen=True)
class ModelBlock:
    """What the compiler says of one model; bytes are rounded by it (two decimals of KiB, MiB)."""

    on_chip_bytes: int
    on_chip_free_bytes: int
    off_chip_bytes: int
    subgraphs: int
    operators: int
    mapped_operators: int
    rows: tuple[OperatorRow, ...]


@dataclass(frozen=True)
class Attempt:
    """One try of the search for a part that compiles."""

    operators: int
    intermediate_tensors: tuple[str, ...]
    """The tensors that end the part; () for the whole model."""


@dataclass(frozen=True)
class CompilerOutput:
    """All that the compiler printed, read."""

    version: str
    """"" where it printed none."""
    milliseconds: int | None
    """Of the last compilation that succeeded; None if none did."""
    failed: bool
    """True where it says so anywhere; its exit code may say otherwise."""
    blocks: tuple[ModelBlock, ...]
    attempts: tuple[Attempt, ...] = ()
    """With --search-delegate: what was tried, in order."""
    unknown_lines: tuple[str, ...] = ()
    """Lines that no version in our records prints, word for word."""


def read_output(text: str) -> CompilerOutput:
    """Read the standard output of a run, in any of the known forms; never raises."""
    version = _VERSION.search(text)
    times = _SUCCESS.findall(text)
    parts = re.split(r"^Input model: ", text, flags=re.MULTILINE)[1:]
    blocks = tuple(block for part in parts if (block := _block(part)) is not None)
    return CompilerOutput(
        version=version[1] if version else "",
        milliseconds=int(times[-1]) if times else None,
        failed=_FAILED.search(text) is not None,
        blocks=blocks,
        attempts=_attempts(text),
        unknown_lines=_unknown(text),
    )


def _attempts(text: str) -> tuple[Attempt, ...]:
    return tuple(
        # Names may hold ";" and ":"; only "," separates them.
        Attempt(int(match[1]), tuple(match[2].split(",")) if match[2] else ())
        for match in _ATTEMPT.finditer(text)
    )


def _unknown(text: str) -> tuple[str, ...]:
    return tuple(line for line in text.splitlines() if line.strip() and not _KNOWN.match(line))


def read_rows(text: str) -> tuple[OperatorRow, ...]:
    """The operator table in a log or in standard output; () where there is none."""
    lines = iter(text.splitlines())
    if not any(_HEADER.match(line) for line in lines):  # leaves the iterator behind the header
        return ()
    rows = []
    for line in lines:
        match = _ROW.match(line)
        if match:
            rows.append(OperatorRow(match[1], int(match[2]), match[3]))
        elif line.strip():
            break
    return tuple(rows)


def _block(text: str) -> ModelBlock | None:
    sizes: dict[str, int] = {}
    counts: dict[str, int] = {}
    for line in text.splitlines():
        if size := _SIZE.match(line):
            sizes.setdefault(size["key"], _bytes(size["value"], size["unit"]))
        elif count := _COUNT.match(line):
            counts.setdefault(count["key"], int(count["value"]))
    if _SUBGRAPHS not in counts or _TOTAL not in counts:
        return None
    used = sizes.get(_USED, 0)
    free = max(sizes[_AVAILABLE] - used, 0) if _AVAILABLE in sizes else sizes.get(_REMAINING, 0)
    return ModelBlock(
        on_chip_bytes=used,
        on_chip_free_bytes=free,
        off_chip_bytes=sizes.get(_STREAMED, 0),
        subgraphs=counts[_SUBGRAPHS],
        operators=counts[_TOTAL],
        # The compiler tells the two numbers only where some operators stay on the CPU.
        mapped_operators=counts.get(_ON_TPU, counts[_TOTAL] if counts[_SUBGRAPHS] else 0),
        rows=read_rows(text),
    )


def _bytes(value: str, unit: str) -> int:
    try:
        return round(float(value) * _UNITS[unit])
    except (ValueError, KeyError):
        return 0
