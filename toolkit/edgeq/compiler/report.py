"""What a compilation gave: one report for each compiled file."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeq.compiler.output import OperatorRow
from edgeq_device.compiled import Program
from edgeq_device.errors import CompileError, PathText

_ROWS_SHOWN = 3


@dataclass(frozen=True)
class CompileReport:
    """What came out of a run that did not fail, for one model or segment."""

    ok: bool
    """False where nothing was mapped to the Edge TPU: then there is no compiled model."""
    compiler_version: str
    compiled: bytes | None = field(repr=False)
    """The compiled .tflite file."""
    input_sha256: str
    output_sha256: str
    """"" without a compiled model."""
    on_chip_bytes: int
    """Parameters that stay in the Edge TPU's memory."""
    on_chip_free_bytes: int
    """As the compiler says, rounded by it."""
    off_chip_bytes: int
    """Parameters that are sent again for every inference."""
    subgraphs: int
    operators: int
    mapped_operators: int
    rows: tuple[OperatorRow, ...]
    milliseconds: int | None
    log: str = field(repr=False)
    """Standard output and errors, word for word."""
    output_name: str = ""
    """The file's name as the compiler would give it: "digits_edgetpu.tflite"."""
    programs: tuple[Program, ...] = ()
    """What the compiled file holds; () where its program cannot be read."""
    unknown_lines: tuple[str, ...] = ()
    """Lines of the log that edgeq does not know, word for word."""
    renamed_tensors: tuple[tuple[str, str], ...] = ()
    """With --intermediate-tensors: names that -i could not take, as (new, original)."""
    cached: bool = False
    """True where an earlier compilation's result was taken."""

    @property
    def figures(self) -> str:
        """Where the bytes on and off the chip come from: the compiled "file", or the "log"."""
        return "file" if self.programs else "log"

    @property
    def min_runtime_version(self) -> int | None:
        """The oldest Edge TPU runtime that takes the compiled file, as it says itself."""
        return max((one.min_runtime_version for one in self.programs), default=None)

    @property
    def cpu_rows(self) -> tuple[OperatorRow, ...]:
        """The operators that stay on the CPU, with the compiler's reasons."""
        return tuple(row for row in self.rows if not row.mapped)

    def refusal(self, path: PathText) -> CompileError:
        """The error for a model of which nothing was mapped, with the compiler's first reasons."""
        shown = [f"{row.op} ({row.count}): {row.status}" for row in self.rows[:_ROWS_SHOWN]]
        more = len(self.rows) - len(shown)
        tail = f"; and {more} more" if more > 0 else ""
        reasons = f": {'; '.join(shown)}{tail}" if shown else ""
        return CompileError(
            path,
            f"nothing mapped to the Edge TPU{reasons}",
            log=self.log,
            hint="the model must be fully integer with fixed sizes, of operators that the Edge TPU "
            "knows",
        )
