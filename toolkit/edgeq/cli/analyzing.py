"""The command that foresees what the compiler will map: analyze."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli import options as opt
from edgeq_device import console

if TYPE_CHECKING:
    from edgeq_device.tflite import Model

NamedModel = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help=".tflite, integer or float; .keras, .h5, SavedModel, package.module:function",
    ),
]


def analyze(
    model: NamedModel,
    picture: opt.Picture = None,
    force: opt.Force = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Predict which operators of MODEL will run on the Edge TPU, and why the others will not."""
    from edgeq.analyze import analyze as predict
    from edgeq.report import analysis as report
    from edgeq_device.files import check_output

    if picture is not None:
        check_output(picture, "--picture", force=force)
    opened = open_model(model, quiet=quiet)
    analysis = predict(opened)
    if picture is not None:
        from edgeq.report.graph import graph_picture

        graph_picture(opened.main, analysis, picture)
    if as_json:
        typer.echo(json.dumps(report.analysis_json(analysis)))
        return
    for line in report.analysis_lines(analysis):
        typer.echo(line)
    if not quiet:
        console.say("predicted from the model alone: the compiler may do worse")


def open_model(model: str, *, quiet: bool) -> Model:
    """The model as a .tflite: read as it is, or as TensorFlow converts it to float."""
    from edgeq_device.tflite import parse_model, read_model

    path = Path(model)
    if path.suffix in (".tflite", ".lite") and path.is_file():
        return read_model(path)
    from edgeq.console import progress_bars
    from edgeq.frontends import open_source

    with progress_bars(wanted=not quiet) as progress, open_source(model, progress=progress) as one:
        if one.is_integer:
            return parse_model(one.integer_model(), model)
        return parse_model(one.float_model(), model)
