"""The command that rewrites a model for the frozen compiler: legalize."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edgeq.cli import options as opt
from edgeq_device.errors import ConfigError

if TYPE_CHECKING:
    from edgeq.legalizing import Legalized

Model = Annotated[Optional[Path], typer.Argument(metavar="MODEL", help="a .tflite")]
Output = Annotated[Optional[Path], typer.Option("-o", "--output", help="the .tflite to write")]
Calibration = Annotated[
    Optional[Path],
    typer.Option("--calibration", metavar="DATA", help=".npy or .npz to check on (seeded values)"),
]
List = Annotated[bool, typer.Option("--list", help="list the rewrites, and stop")]


def legalize(
    model: Model = None,
    output: Output = None,
    only: opt.Only = None,
    skip: opt.Skip = None,
    approximate: opt.Approximate = None,
    uint8_ends: opt.Uint8Ends = None,
    calibration: Calibration = None,
    show_list: List = False,
    force: opt.Force = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Rewrite MODEL so that edgetpu_compiler reads it; each rewrite is checked by running it."""
    from edgeq.report import legalization

    if show_list:
        lines = legalization.list_lines()
        typer.echo(json.dumps(legalization.list_json()) if as_json else "\n".join(lines))
        return
    if model is None or output is None:
        missing = "MODEL" if model is None else "--output"
        hint = "edgeq legalize MODEL -o OUT"
        raise ConfigError(missing, "nothing", "a .tflite file", hint=hint)
    from edgeq.legalize import LegalizeSpec
    from edgeq.legalizing import LegalizeRequest, legalize_file

    spec = LegalizeSpec(
        str(model), tuple(only or ()), tuple(skip or ()), bool(approximate), bool(uint8_ends)
    )
    result = legalize_file(LegalizeRequest(model, output, spec, calibration, force))
    show_legalized(result, as_json=as_json, quiet=quiet)


def show_legalized(result: Legalized, *, as_json: bool, quiet: bool) -> None:
    """The path or the JSON document on stdout, a line for each rewrite on stderr."""
    from edgeq.report import legalization

    if not quiet:
        for line in legalization.legalization_lines(result.report, changed=result.changed):
            typer.echo(line, err=True)
    if as_json:
        document = legalization.legalization_json(result.report, changed=result.changed)
        typer.echo(json.dumps({**document, "output": str(result.output)}))
    else:
        typer.echo(str(result.output))
