"""Runs edgetpu_compiler and checks that it did what it says."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeq.compiler import cache
from edgeq.compiler.calling import Answer, Limit
from edgeq.compiler.doors import OUT, Door, open_door
from edgeq.compiler.failures import diagnose, is_random
from edgeq.compiler.files import check_models, endings, read_file
from edgeq.compiler.naming import with_safe_names
from edgeq.compiler.options import CompileOptions, check_options, flags
from edgeq.compiler.output import CompilerOutput, ModelBlock, read_output, read_rows
from edgeq.compiler.report import CompileReport
from edgeq_device.compiled import Program, read_program
from edgeq_device.errors import (
    CompileError,
    ConfigError,
    ModelError,
    OutputError,
)
from edgeq_device.progress import Progress, silent
from edgeq_device.tflite import Model, parse_model

_STEM = "model"  # the compiler's wrapper and its log break on spaces and colons in names
_GRACE = 30.0  # seconds for loading and writing, which the compiler's own timer does not count
_CUSTOM_CODE = "edgetpu-custom-op"


@dataclass(frozen=True)
class _Job:
    """One call of the compiler: the models as users know them, and all that decides the result."""

    sources: tuple[Path, ...]
    name: str
    """The models, for errors."""
    options: CompileOptions
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    @property
    def inputs(self) -> tuple[str, ...]:
        """The stems of the models in the job's folder."""
        count = len(self.sources)
        return (_STEM,) if count == 1 else tuple(f"{_STEM}_{index}" for index in range(count))

    @property
    def outputs(self) -> tuple[tuple[str, str], ...]:
        """For each compiled file its stem in the job's folder and its stem for the user."""
        pairs = zip(self.inputs, (source.stem for source in self.sources), strict=True)
        ends = endings(self.options.segments)
        return tuple((f"{ours}{end}", f"{theirs}{end}") for ours, theirs in pairs for end in ends)

    @property
    def arguments(self) -> list[str]:
        models = [f"{stem}.tflite" for stem in self.inputs]
        return ["-s", "-o", OUT, *flags(self.options, self.major), *models]


def compile_model(
    model: Path,
    options: CompileOptions | None = None,
    *,
    name: str = "",
    progress: Progress = silent,
) -> CompileReport:
    """Compile one integer .tflite file; ``name`` stands for it in errors (default: its path).

    MissingTool without a compiler, CompileError where it refuses the model.
    """
    options = options or CompileOptions()
    if options.segments != 1:
        raise ConfigError("segments", options.segments, "1 here", hint="use compile_models")
    (report,) = compile_models((model,), options, name=name, progress=progress)
    return report


def compile_models(
    models: Sequence[Path],
    options: CompileOptions | None = None,
    *,
    name: str = "",
    progress: Progress = silent,
) -> tuple[CompileReport, ...]:
    """Compile models, several for the same Edge TPU: a report for each model or segment.

    The compiler runs on copies in a fresh folder, in a process group of its own that is ended
    on a time-out or Ctrl-C. Its exit code is never believed alone: the results must exist and
    hold an Edge TPU program. The first model's parameters are the first to stay on the chip.
    ConfigError where two models have the same stem: their results would have the same name.
    """
    options = options or CompileOptions()
    check_models(models)
    check_options(options, len(models))
    door = open_door(options.compiler)
    name = name or ", ".join(map(str, models))
    contents = [read_file(model) for model in models]
    contents, options, originals = _named_safely(models, contents, options)
    job = _Job(tuple(models), name, options, door.version())
    progress("compile", 0, 1)
    kept, entry = None, ""
    if options.cache is not None:
        entry = cache.key(job.version, job.arguments, contents)
        kept = cache.load(options.cache, entry)
    reports = _from_cache(job, kept, contents)
    if reports is None:
        kept = _run(job, door, contents)
        reports = _judge(job, kept, contents)
        if options.cache is not None:
            cache.store(options.cache, entry, kept)
    progress("compile", 1, 1)
    return tuple(replace(report, renamed_tensors=originals) for report in reports)


def _named_safely(
    models: Sequence[Path], contents: list[bytes], options: CompileOptions
) -> tuple[list[bytes], CompileOptions, tuple[tuple[str, str], ...]]:
    """With -i: models whose tensors it can name, and what was renamed; else all as it was."""
    lists, originals = [], {}
    for index, wanted in enumerate(options.intermediate_tensors):
        safe = with_safe_names(contents[index], models[index], wanted)
        contents[index] = safe[0]
        lists.append(safe[1])
        originals.update(safe[2])
    pairs = tuple(originals.items())
    return contents, replace(options, intermediate_tensors=tuple(lists)), pairs


def _run(job: _Job, door: Door, contents: list[bytes]) -> cache.Kept:
    """Call the compiler; once more where its version is known to fail at random."""
    answer, kept = _attempt(job, door, contents)
    if answer.exit_code != 0 and is_random(answer.log, job.major):
        answer, kept = _attempt(job, door, contents)
    said = read_output(answer.log)
    if answer.exit_code != 0 or said.failed or len(said.blocks) != len(job.outputs):
        cause, remedy = diagnose(answer.log, answer.exit_code)
        raise CompileError(job.name, cause, log=answer.log, hint=remedy)
    return kept


def _attempt(job: _Job, door: Door, contents: list[bytes]) -> tuple[Answer, cache.Kept]:
    with tempfile.TemporaryDirectory(prefix="edgeq-compile-") as name:
        folder = Path(name)
        for stem, data in zip(job.inputs, contents, strict=True):
            _write(folder / f"{stem}.tflite", data)
        (folder / OUT).mkdir()
        limit = Limit(_limit(job), job.name)
        answer = door.compile(folder, job.arguments, limit)
        return answer, cache.Kept(answer.log, _files(folder / OUT, job))


def _limit(job: _Job) -> float:
    """Seconds for the whole call: the compiler's timer counts each attempt by itself."""
    parts = job.options.segments
    attempts = 20 if job.options.search_delegate else 1
    return job.options.timeout * parts * attempts + _GRACE


def _write(target: Path, data: bytes) -> None:
    try:
        target.write_bytes(data)
    except OSError as error:
        raise OutputError(target, f"could not be written: {error.strerror}") from error


def _files(folder: Path, job: _Job) -> dict[str, bytes]:
    """What the compiler wrote, of the names that are expected."""
    found = {}
    for stem, _ in job.outputs:
        for ending in ("tflite", "log"):
            path = folder / f"{stem}_edgetpu.{ending}"
            if path.is_file() and not path.is_symlink():
                found[path.name] = path.read_bytes()
    return found


def _from_cache(
    job: _Job, kept: cache.Kept | None, contents: list[bytes]
) -> tuple[CompileReport, ...] | None:
    """The reports of an entry, or None where there is none that stands the usual checks."""
    if kept is None or len(read_output(kept.log).blocks) != len(job.outputs):
        return None
    try:
        reports = _judge(job, kept, contents)
    except CompileError:
        return None
    return tuple(replace(report, cached=True) for report in reports)


def _judge(job: _Job, kept: cache.Kept, contents: list[bytes]) -> tuple[CompileReport, ...]:
    said = read_output(kept.log)
    digests = [hashlib.sha256(data).hexdigest() for data in contents]
    digests *= job.options.segments  # all segments have one source
    triples = zip(said.blocks, job.outputs, digests, strict=True)
    return tuple(
        replace(_report(job, kept, block, ours), output_name=f"{theirs}_edgetpu.tflite", **common)
        for block, (ours, theirs), digest in triples
        for common in [_common(job, said, digest)]
    )


def _common(job: _Job, said: CompilerOutput, digest: str) -> dict[str, Any]:
    return {
        "compiler_version": said.version or job.version,
        "input_sha256": digest,
        "milliseconds": said.milliseconds,
        "unknown_lines": said.unknown_lines,
    }


def _report(job: _Job, kept: cache.Kept, block: ModelBlock, stem: str) -> CompileReport:
    """What one block of the output says of one model, where the model's file agrees."""
    compiled: bytes | None = None
    programs: tuple[Program, ...] = ()
    if block.subgraphs:
        compiled, programs = _compiled(job, kept, f"{stem}_edgetpu.tflite")
    log = kept.files.get(f"{stem}_edgetpu.log", b"").decode("utf-8", "replace")
    return CompileReport(
        ok=compiled is not None,
        compiler_version=job.version,
        compiled=compiled,
        input_sha256="",
        output_sha256=hashlib.sha256(compiled).hexdigest() if compiled is not None else "",
        on_chip_bytes=(
            sum(one.cached_bytes for one in programs) if programs else block.on_chip_bytes
        ),
        on_chip_free_bytes=block.on_chip_free_bytes,
        off_chip_bytes=(
            sum(one.streamed_bytes for one in programs) if programs else block.off_chip_bytes
        ),
        subgraphs=block.subgraphs,
        operators=block.operators,
        mapped_operators=block.mapped_operators,
        rows=block.rows or read_rows(log),
        milliseconds=None,
        log=kept.log,
        programs=programs,
    )


def _compiled(job: _Job, kept: cache.Kept, file: str) -> tuple[bytes, tuple[Program, ...]]:
    """The compiled file and its programs; CompileError where it holds no Edge TPU operator."""
    data = kept.files.get(file, b"")
    try:
        model = parse_model(data, file)
    except ModelError:
        model = None
    if model is None or not model.is_compiled:
        raise CompileError(
            job.name,
            "edgetpu_compiler says that it succeeded, but wrote no compiled model",
            log=kept.log,
            hint="is it Google's compiler? see --compiler and $EDGEQ_COMPILER",
        )
    return data, programs_of(model)


def programs_of(model: Model) -> tuple[Program, ...]:
    """The programs of a compiled model, in its operators' order; () where one is unreadable."""
    try:
        return tuple(
            read_program(operator.custom_options, model.name)
            for graph in model.subgraphs
            for operator in graph.operators
            if operator.custom_code == _CUSTOM_CODE
        )
    except ModelError:
        return ()
