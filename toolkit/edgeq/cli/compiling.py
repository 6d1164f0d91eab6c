"""The commands around edgetpu_compiler: compile, and doctor for what it needs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edgeq.cli import options as opt
from edgeq_device import console

if TYPE_CHECKING:
    from edgeq.compiler import CompileOptions, CompileReport, Stumble
    from edgeq_device.errors import CompileError

LOG_START = b"Edge TPU Compiler version"
Models = Annotated[
    list[Path], typer.Argument(metavar="MODEL...", help="integer .tflite files, in this order")
]
OutputFile = Annotated[
    Optional[Path],
    typer.Option(
        "-o", "--output", help="the compiled file (MODEL_edgetpu.tflite); a folder for several"
    ),
]
Timeout = Annotated[int, typer.Option("--timeout", help="seconds for the compilation")]
Runtime = Annotated[
    int, typer.Option("--min-runtime-version", help="least Edge TPU runtime of the result")
]
Tensors = Annotated[
    Optional[list[str]],
    typer.Option(
        "--intermediate-tensors",
        metavar="NAMES",
        help="names with commas between: the Edge TPU's part ends there; once for each model",
    ),
]
Segments = Annotated[
    int, typer.Option("--segments", help="cut the model into N for N Edge TPUs in a row")
]
Search = Annotated[
    bool, typer.Option("--search-delegate", help="on failure, look for an earlier cut")
]
Step = Annotated[
    int, typer.Option("--search-step", help="operators that the search steps back at a time")
]
Subgraphs = Annotated[
    bool,
    typer.Option("--multiple-subgraphs", help="allow several parts on the Edge TPU (mostly slow)"),
]
Budget = Annotated[
    int,
    typer.Option(
        "--search-budget",
        help="seconds to look for the operator of a failure without a reason; 0: do not look",
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="compile anew, and keep nothing")]


def compile(  # noqa: A001 - the command's name
    models: Models,
    output: OutputFile = None,
    compiler: opt.Compiler = None,
    timeout: Timeout = 180,
    min_runtime_version: Runtime = 14,
    intermediate_tensors: Tensors = None,
    segments: Segments = 1,
    search_delegate: Search = False,
    search_step: Step = 1,
    multiple_subgraphs: Subgraphs = False,
    search_budget: Budget = 300,
    no_cache: NoCache = False,
    force: opt.Force = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Compile integer .tflite files for the Edge TPU with edgetpu_compiler."""
    from edgeq.compiler import CompileOptions, default_folder

    options = CompileOptions(
        compiler=compiler,
        timeout=timeout,
        min_runtime_version=min_runtime_version,
        intermediate_tensors=tuple(tuple(names.split(",")) for names in intermediate_tensors or ()),
        segments=segments,
        search_delegate=search_delegate,
        search_step=search_step,
        multiple_subgraphs=multiple_subgraphs,
        cache=None if no_cache else default_folder(),
    )
    targets = targets_of(models, options, output)
    check_targets(targets, force=force)
    told = Telling(log_of(targets[0]), as_json=as_json, quiet=quiet, search_budget=search_budget)
    reports = compiled(models, options, told)
    for report, target in zip(reports, targets, strict=True):
        write_result(report, target)
    show(reports, targets, as_json=as_json, quiet=quiet)


def targets_of(models: list[Path], options: CompileOptions, output: Path | None) -> list[Path]:
    """Where the results go: a file's own path for one result, else names in a folder."""
    from edgeq.compiler import check_models, result_names

    check_models(models)
    names = result_names(models, options.segments)
    if len(names) == 1:
        return [output or Path(names[0])]
    folder = output or Path()
    return [folder / name for name in names]


def check_targets(targets: list[Path], *, force: bool) -> None:
    """ConfigError where a result exists and may not be overwritten, or another's file is its log.

    The log of an earlier compilation, such as one that failed, may be.
    """
    from edgeq_device.files import check_output

    for target in targets:
        log = log_of(target)
        check_output(target, "-o", force=force)
        check_output(log, "-o", force=force or is_our_log(log))


def is_our_log(path: Path) -> bool:
    """True for a file that an earlier compilation left."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(LOG_START)) in (LOG_START, b"")


def log_of(target: Path) -> Path:
    """The log beside a compiled file."""
    return target.with_suffix(".log")


@dataclass(frozen=True)
class Telling:
    """What a refusal leaves, and how it is told."""

    log: Path
    as_json: bool
    quiet: bool
    search_budget: int


def compiled(
    models: list[Path], options: CompileOptions, told: Telling
) -> tuple[CompileReport, ...]:
    """The reports; a refusal leaves its log, and its document where JSON is asked for."""
    from edgeq.compiler import compile_models, read_version
    from edgeq.console import progress_bars
    from edgeq.report.compilation import failure_json
    from edgeq_device.errors import CompileError
    from edgeq_device.files import write_file

    try:
        with progress_bars(wanted=not told.quiet) as progress:
            reports = compile_models(models, options, progress=progress)
        for report, model in zip(reports, models * options.segments, strict=True):
            if not report.ok:
                raise report.refusal(model)
    except CompileError as error:
        write_file(told.log, error.log.encode("utf-8", "replace"))
        found = stumble(models, options, error, told)
        if found is not None:
            (model,) = models
            cause = f"{str(error).removeprefix(f'{model}: ')}; {found.sentence}"
            error = CompileError(model, cause, log=error.log, hint=error.hint)
        if told.as_json:
            typer.echo(json.dumps(failure_json(error, read_version(error.log), found)))
        elif not told.quiet:
            console.say(f"the compiler's words are in {told.log}")
        raise error from None
    return reports


def stumble(
    models: list[Path], options: CompileOptions, error: CompileError, told: Telling
) -> Stumble | None:
    """The operator that a single model fails on, where the compiler does not say it."""
    from edgeq.compiler import find_stumble, is_unexplained
    from edgeq.console import progress_bars

    plain = options.segments == 1 and not options.intermediate_tensors
    wanted = plain and len(models) == 1 and told.search_budget > 0
    if not wanted or not is_unexplained(error.log):
        return None
    if not told.quiet:
        console.say(
            "looking for the operator that the compiler stumbles on, for "
            f"{told.search_budget} s at most (--search-budget)"
        )
    with progress_bars(wanted=not told.quiet) as progress:
        return find_stumble(models[0], options, told.search_budget, progress=progress)


def write_result(report: CompileReport, target: Path) -> None:
    """Write a compiled file, and the compiler's words beside it."""
    from edgeq_device.files import write_file

    if report.compiled is not None:
        write_file(target, report.compiled)
    write_file(log_of(target), report.log.encode("utf-8", "replace"))


def show(
    reports: tuple[CompileReport, ...], targets: list[Path], *, as_json: bool, quiet: bool
) -> None:
    """The paths or the JSON document on stdout, the summary on stderr."""
    from edgeq.report.compilation import compilation_json, compilation_lines

    if as_json:
        typer.echo(json.dumps(compilation_json(reports, [str(target) for target in targets])))
        return
    for report, target in zip(reports, targets, strict=True):
        for line in () if quiet else compilation_lines(report):
            typer.echo(line, err=True)
        typer.echo(str(target))


def doctor(
    wanted: Annotated[str, typer.Option("--for", help="build: what compiling needs")] = "build",
    compiler: opt.Compiler = None,
    as_json: opt.Json = False,
) -> None:
    """Say which ways to edgetpu_compiler work here."""
    from edgeq.compiler import check_doors
    from edgeq_device.errors import ConfigError

    if wanted != "build":
        raise ConfigError("--for", wanted, "build")
    findings = check_doors(compiler)
    if as_json:
        document: dict[str, Any] = {
            "schema": "edgeq.doctor/1",
            "doors": [
                {"door": one.door, "works": one.works, "found": one.found, "remedy": one.remedy}
                for one in findings
            ],
        }
        typer.echo(json.dumps(document))
    else:
        for one in findings:
            typer.echo(f"{'yes' if one.works else 'no '}  {one.door}: {one.found}")
            if one.remedy:
                typer.echo(f"     {one.remedy}")
    if not any(one.works for one in findings):
        raise typer.Exit(4)
