"""The commands that judge and show: evaluate and demo."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq.cli import options as opt
from edgeq_device import console

if TYPE_CHECKING:
    from edgeq.judging import Verdict


def evaluate(
    model: Annotated[str, typer.Argument(metavar="BUNDLE|MODEL")],
    data: opt.Data,
    labels: opt.Labels = None,
    preprocess: opt.Preprocess = None,
    top_k: Annotated[int, typer.Option("--top-k", help="also count the K likeliest")] = 5,
    threads: opt.Threads = None,
    runtime: opt.Runtime = None,
    picture: opt.Picture = None,
    force: opt.Force = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Measure accuracy, top-k and confusions of a bundle or a .tflite on labelled data."""
    from edgeq import judging
    from edgeq.console import progress_bars
    from edgeq_device.files import check_output

    if picture is not None:
        check_output(picture, "--picture", force=force)
    spec = judging.JudgeSpec(
        Path(model), data, labels, tuple(preprocess or ()), top_k, threads, runtime
    )
    with progress_bars(wanted=not quiet) as progress:
        verdict = judging.judge(spec, progress=progress)
    if picture is not None:
        from edgeq.report.pictures import confusion_picture

        confusion_picture(verdict.evaluation, verdict.labels, picture)
    show_verdict(verdict, as_json=as_json, quiet=quiet)


def show_verdict(verdict: Verdict, *, as_json: bool, quiet: bool) -> None:
    """The figures or the JSON document on stdout, notes on stderr."""
    from edgeq.report import tables

    for warning in verdict.warnings:
        console.warn(warning)
    if not quiet:
        console.say(f"labels matched by {verdict.about['labels_matched_by']}")
    if as_json:
        document = tables.evaluation_json(verdict.evaluation, verdict.about, verdict.labels)
        typer.echo(json.dumps(document))
        return
    for line in tables.evaluation_lines(verdict.evaluation, verdict.labels):
        typer.echo(line)


def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="where all files are left")
    ] = Path("edgeq-demo"),
    full_mnist: Annotated[
        bool, typer.Option("--full-mnist", help="the 70,000 digits that Keras downloads")
    ] = False,
    epochs: Annotated[int, typer.Option("--epochs", help="how long to train")] = 15,
    force: opt.Force = False,
    as_json: opt.Json = False,
) -> None:
    """Train a small network on real digits, then build, compare, evaluate and run it."""
    from edgeq.demo import DemoSpec, run_demo

    spec = DemoSpec(output=output, full_mnist=full_mnist, epochs=epochs, force=force)
    stream = sys.stderr if as_json else sys.stdout
    bundle = run_demo(spec, lambda line: typer.echo(line, file=stream), stream)
    if as_json:
        document = {"schema": "edgeq.demo/1", "folder": str(output), "bundle": str(bundle)}
        typer.echo(json.dumps(document))
