"""The commands that make a model: build and compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from edgeq.cli import options as opt


def build(
    model: opt.Model = None,
    calibration: opt.Calibration = None,
    output: Annotated[
        Optional[Path], typer.Option("-o", "--output", help="the bundle (MODEL.edgeq)")
    ] = None,
    mode: Annotated[
        Optional[str],
        typer.Option("--mode", help="integer, float-fallback, dynamic or float"),
    ] = None,
    engine: opt.Engine = None,
    samples: opt.Samples = None,
    seed: opt.Seed = None,
    preprocess: opt.Preprocess = None,
    resize: opt.Resize = None,
    resample: opt.Resample = None,
    color: opt.Color = None,
    labels: opt.Labels = None,
    task: Annotated[Optional[str], typer.Option("--task", help="auto, classify or raw")] = None,
    activation: Annotated[
        Optional[str],
        typer.Option("--activation", help="still to be applied: auto, none, softmax, sigmoid"),
    ] = None,
    uint8_ends: Annotated[
        Optional[bool],
        typer.Option("--uint8-ends", help="give an integer .tflite with int8 ends uint8 ones"),
    ] = None,
    compiler: Annotated[
        Optional[str],
        typer.Option("--compiler", help="edgetpu_compiler ($EDGEQ_COMPILER, else PATH)"),
    ] = None,
    compile_timeout: Annotated[
        Optional[int], typer.Option("--compile-timeout", help="seconds (180)")
    ] = None,
    min_runtime_version: Annotated[
        Optional[int],
        typer.Option("--min-runtime-version", help="least Edge TPU runtime (14)"),
    ] = None,
    require_compiled: Annotated[
        Optional[bool],
        typer.Option("--require-compiled", help="exit 4 where there is no edgetpu_compiler"),
    ] = None,
    threads: opt.Threads = None,
    save_model: Annotated[
        Optional[Path], typer.Option("--save-model", help="also write the .tflite here")
    ] = None,
    config: opt.Config = None,
    force: opt.Force = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Make one bundle for the Edge TPU out of MODEL."""
    given = dict(locals())
    spec = spec_from(given, config)
    from edgeq import pipeline
    from edgeq.console import progress_bars
    from edgeq.report.build import build_json, build_lines

    with progress_bars(wanted=not quiet) as progress:
        result = pipeline.build(spec, progress=progress)
    if not quiet:
        for warning in result.warnings:
            typer.echo(f"warning: {warning}", err=True)
    if as_json:
        typer.echo(json.dumps(build_json(result)))
        return
    for line in build_lines(result):
        typer.echo(line, err=True)
    typer.echo(str(result.bundle.path))


def compare(
    data: opt.Data,
    model: opt.Model = None,
    calibration: opt.Calibration = None,
    engine: opt.Engine = None,
    samples: opt.Samples = None,
    seed: opt.Seed = None,
    preprocess: opt.Preprocess = None,
    resize: opt.Resize = None,
    resample: opt.Resample = None,
    color: opt.Color = None,
    labels: opt.Labels = None,
    threads: opt.Threads = None,
    save_models: Annotated[
        Optional[Path],
        typer.Option("--save-models", metavar="DIR", help="leave the four .tflite files here"),
    ] = None,
    picture: opt.Picture = None,
    config: opt.Config = None,
    force: opt.Force = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Compare the four conversions of MODEL: float, dynamic range, float fallback, integer."""
    given = {key: value for key, value in locals().items() if key not in NOT_IN_SPEC}
    spec = spec_from(given, config)
    from edgeq.comparison import compare as run
    from edgeq.comparison.saving import check_targets, save_models_in
    from edgeq.console import print_table, progress_bars
    from edgeq.report import tables
    from edgeq_device.tasks import read_labels

    check_targets(save_models, picture, force=force)
    names = read_labels(spec.labels) if spec.labels else ()
    with progress_bars(wanted=not quiet) as progress:
        result = run(spec, data, names, progress=progress)
    saved = save_models_in(result, save_models) if save_models else ()
    if picture is not None:
        from edgeq.report.pictures import comparison_picture

        comparison_picture(result, picture)
    if as_json:
        document = tables.comparison_json(result)
        typer.echo(json.dumps({**document, "saved": [str(path) for path in saved]}))
        return
    title = f"{result.name}: {result.samples} test samples, times on this CPU"
    rows = [tables.comparison_cells(row) for row in result.rows]
    print_table(title, tables.COLUMNS, rows)
    for note in () if quiet else tables.comparison_notes(result):
        typer.echo(note, err=True)


NOT_IN_SPEC = ("data", "save_models", "picture")


def spec_from(given: dict[str, Any], config: Path | None) -> Any:
    """The BuildSpec of a command's parameters; None and False leave the config's word."""
    from edgeq.config import build_spec

    dropped = ("config", "as_json", "quiet")
    wanted = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in given.items()
        if key not in dropped and value not in (None, [])
    }
    if wanted.get("force") is False:
        del wanted["force"]
    return build_spec(wanted, config)
