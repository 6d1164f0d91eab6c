"""Runs edgetpu_compiler on one model and checks that it did what it says."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgeq.compiler.failures import diagnose
from edgeq.compiler.find import HINT, NAME, Compiler, find_compiler, identify
from edgeq.compiler.output import OperatorRow, read_output, read_rows
from edgeq_device.errors import (
    CompileError,
    InputError,
    MissingTool,
    ModelError,
    OutputError,
    PathText,
)
from edgeq_device.progress import Progress, silent
from edgeq_device.tflite import parse_model

_STEM = "model"  # the compiler's wrapper and its log break on spaces and colons in names
_GRACE = 30.0  # seconds for loading and writing, which the compiler's own timer does not count
_ROWS_SHOWN = 3


@dataclass(frozen=True)
class CompileOptions:
    """How to call the compiler."""

    compiler: str | Path | None = None
    """Its path; None: ``$EDGEQ_COMPILER``, else PATH."""
    timeout: int = 180
    """Seconds for the compilation itself."""
    min_runtime_version: int = 14
    """The oldest Edge TPU runtime that the result must run on."""


@dataclass(frozen=True)
class CompileReport:
    """What came out of a run that did not fail."""

    ok: bool
    """False where nothing was mapped to the Edge TPU: then there is no compiled model."""
    compiler_version: str
    compiled: bytes | None = field(repr=False)
    """The compiled .tflite file."""
    input_sha256: str
    output_sha256: str
    """"" without a compiled model."""
    on_chip_bytes: int
    """Parameters that stay in the Edge TPU's memory; these three are rounded by the compiler."""
    on_chip_free_bytes: int
    off_chip_bytes: int
    """Parameters that are sent again for every inference."""
    subgraphs: int
    operators: int
    mapped_operators: int
    rows: tuple[OperatorRow, ...]
    milliseconds: int | None
    log: str = field(repr=False)
    """Standard output and errors, word for word."""

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
            hint="the model must be fully integer with fixed sizes, of operators that the Edge "
            "TPU knows",
        )


@dataclass(frozen=True)
class _Run:
    name: str
    """The model, for errors."""
    exit_code: int
    log: str
    """Output and errors in the order of printing."""


def compile_model(
    model: Path,
    options: CompileOptions | None = None,
    *,
    name: str = "",
    progress: Progress = silent,
) -> CompileReport:
    """Compile one integer .tflite file; ``name`` stands for it in errors (default: its path).

    The compiler runs on a copy in a fresh folder, in a process group of its own that is ended
    on a time-out or Ctrl-C. Its exit code is never believed alone: the result must exist and hold
    an Edge TPU program. MissingTool without a compiler, CompileError where it refuses the model.
    """
    options = options or CompileOptions()
    path = find_compiler(options.compiler)
    if path is None:
        raise MissingTool(NAME, "not found on PATH", hint=HINT)
    compiler = identify(path)
    progress("compile", 0, 1)
    with tempfile.TemporaryDirectory(prefix="edgeq-compile-") as folder:
        source = _copy(model, Path(folder) / f"{_STEM}.tflite")
        out = Path(folder) / "out"
        out.mkdir()
        command = _command(compiler, options, source, out)
        run = _run(command, name or str(model), Path(folder), options.timeout + _GRACE)
        report = _judge(run, compiler, source, out)
    progress("compile", 1, 1)
    return report


def _copy(model: Path, target: Path) -> Path:
    if not model.is_file():
        raise InputError(model, "does not exist", hint="check the path")
    try:
        shutil.copyfile(model, target)
    except OSError as error:
        raise OutputError(target, f"could not be written: {error.strerror}") from error
    return target


def _command(compiler: Compiler, options: CompileOptions, source: Path, out: Path) -> list[str]:
    oldest = options.min_runtime_version
    if compiler.major < 16:  # these know neither -t nor runtime 14
        timer, oldest = [], min(oldest, 13)
    else:
        timer = ["-t", str(options.timeout)]
    return [str(compiler.path), "-s", "-o", str(out), "-m", str(oldest), *timer, str(source)]


def _run(command: list[str], name: str, folder: Path, limit: float) -> _Run:
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},  # "Segmentation fault" must not be translated
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        problem = f"{command[0]} cannot be run: {error.strerror}"
        raise MissingTool(NAME, problem, hint=HINT) from error
    with process:
        try:
            raw, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            _end(process)
            raise CompileError(
                name,
                f"edgetpu_compiler did not finish within {limit:g} s",
                log=_rest(process).decode("utf-8", "replace"),
                hint="give it more time with --compile-timeout, or make the model smaller",
            ) from None
        except BaseException:
            _end(process)
            raise
    return _Run(name, process.returncode, raw.decode("utf-8", "replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: the compiler is a shell script around the program that works."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _rest(process: subprocess.Popen[bytes]) -> bytes:
    try:
        return process.communicate(timeout=5)[0]
    except subprocess.TimeoutExpired as still_open:  # by a process that left the group
        return still_open.stdout or b""


def _judge(run: _Run, compiler: Compiler, source: Path, out: Path) -> CompileReport:
    said = read_output(run.log)
    if run.exit_code != 0 or said.failed or not said.blocks:
        cause, remedy = diagnose(run.log, run.exit_code)
        raise CompileError(run.name, cause, log=run.log, hint=remedy)
    block = said.blocks[0]
    if not block.rows:
        block = replace(block, rows=_logged_rows(out / f"{_STEM}_edgetpu.log"))
    compiled = None
    if block.subgraphs:
        compiled = _compiled(run, out / f"{_STEM}_edgetpu.tflite")
    return CompileReport(
        ok=compiled is not None,
        compiler_version=said.version or compiler.version,
        compiled=compiled,
        input_sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        output_sha256=hashlib.sha256(compiled).hexdigest() if compiled is not None else "",
        on_chip_bytes=block.on_chip_bytes,
        on_chip_free_bytes=block.on_chip_free_bytes,
        off_chip_bytes=block.off_chip_bytes,
        subgraphs=block.subgraphs,
        operators=block.operators,
        mapped_operators=block.mapped_operators,
        rows=block.rows,
        milliseconds=said.milliseconds,
        log=run.log,
    )


def _compiled(run: _Run, path: Path) -> bytes:
    try:
        data = path.read_bytes()
        holds_program = parse_model(data, path.name).is_compiled
    except (OSError, ModelError):
        holds_program = False
    if not holds_program:
        raise CompileError(
            run.name,
            "edgetpu_compiler says that it succeeded, but wrote no compiled model",
            log=run.log,
            hint="is it Google's compiler? see --compiler and $EDGEQ_COMPILER",
        )
    return data


def _logged_rows(path: Path) -> tuple[OperatorRow, ...]:
    """The table in the log file that the compiler leaves beside its output."""
    try:
        return read_rows(path.read_text(errors="replace"))
    except OSError:
        return ()
