"""The commands that make a model: build and compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from edgeq.cli import options as opt
from edgeq_device import console

if TYPE_CHECKING:
    from edgeq.comparison import Comparison
    from edgeq.config import BuildSpec
    from edgeq.pipeline import BuildResult

NOT_IN_SPEC = ("config", "as_json", "quiet", "data", "save_models", "picture")
"""Parameters of a command that are no fields of `BuildSpec`."""


def build(
    model: opt.Model = None,
    calibration: opt.Calibration = None,
    output: opt.Output = None,
    mode: opt.Mode = None,
    engine: opt.Engine = None,
    samples: opt.Samples = None,
    seed: opt.Seed = None,
    preprocess: opt.Preprocess = None,
    resize: opt.Resize = None,
    resample: opt.Resample = None,
    color: opt.Color = None,
    labels: opt.Labels = None,
    task: opt.Task = None,
    activation: opt.Activation = None,
    uint8_ends: opt.Uint8Ends = None,
    approximate: opt.Approximate = None,
    compiler: opt.Compiler = None,
    compile_timeout: opt.CompileTimeout = None,
    min_runtime_version: opt.MinRuntimeVersion = None,
    require_compiled: opt.RequireCompiled = None,
    threads: opt.Threads = None,
    save_model: opt.SaveModel = None,
    config: opt.Config = None,
    force: opt.Force = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Make one bundle for the Edge TPU out of MODEL."""
    spec = spec_from(dict(locals()), config)
    from edgeq import pipeline
    from edgeq.console import progress_bars

    with progress_bars(wanted=not quiet) as progress:
        result = pipeline.build(spec, progress=progress)
    show_build(result, as_json=as_json, quiet=quiet)


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
    save_models: opt.SaveModels = None,
    picture: opt.Picture = None,
    config: opt.Config = None,
    force: opt.Force = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Compare the four conversions of MODEL: float, dynamic range, float fallback, integer."""
    spec = spec_from(dict(locals()), config)
    from edgeq import comparison
    from edgeq.comparison.saving import check_targets, save_models_in
    from edgeq.console import progress_bars
    from edgeq_device.tasks import read_labels

    check_targets(save_models, picture, force=force)
    names = read_labels(spec.labels) if spec.labels else ()
    with progress_bars(wanted=not quiet) as progress:
        result = comparison.compare(spec, data, names, progress=progress)
    saved = save_models_in(result, save_models) if save_models else ()
    draw_comparison(result, picture)
    show_comparison(result, saved, as_json=as_json, quiet=quiet)


def spec_from(given: dict[str, Any], config: Path | None) -> BuildSpec:
    """The spec of a command's parameters; what was not given leaves the config's word."""
    from edgeq.config import build_spec

    wanted = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in given.items()
        if key not in NOT_IN_SPEC and value is not None and value is not False and value != []
    }
    return build_spec(wanted, config)


def show_build(result: BuildResult, *, as_json: bool, quiet: bool) -> None:
    """The path or the JSON document on stdout, warnings and the summary on stderr."""
    from edgeq.report.build import build_json, build_lines

    for warning in result.warnings:
        console.warn(warning)
    if as_json:
        typer.echo(json.dumps(build_json(result)))
        return
    for line in () if quiet else build_lines(result):
        typer.echo(line, err=True)
    typer.echo(str(result.bundle.path))


def draw_comparison(result: Comparison, picture: Path | None) -> None:
    """Write the picture, where one is wanted."""
    if picture is not None:
        from edgeq.report.pictures import comparison_picture

        comparison_picture(result, picture)


def show_comparison(
    result: Comparison, saved: tuple[Path, ...], *, as_json: bool, quiet: bool
) -> None:
    """The table or the JSON document on stdout, what is missing on stderr."""
    from edgeq.console import print_table
    from edgeq.report import tables

    if as_json:
        document = tables.comparison_json(result)
        typer.echo(json.dumps({**document, "saved": [str(path) for path in saved]}))
        return
    title = f"{result.name}: {result.samples} test samples, times on one thread of this CPU"
    print_table(title, tables.COLUMNS, [tables.comparison_cells(row) for row in result.rows])
    for note in () if quiet else tables.comparison_notes(result):
        console.say(note)
