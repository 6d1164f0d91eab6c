"""The command ``edgeq``: the host's verbs, and the device's."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import typer

from edgeq.cli import analyzing, building, compiling, judging, legalizing
from edgeq_device.cli import APP_SETTINGS, Version, register, with_types
from edgeq_device.cli.options import examples
from edgeq_device.errors import MissingTool

TOOLKIT = 'pip install "edgeq[toolkit]"'
EDITING = ("build", "compare", "legalize", "analyze")
"""Commands that cannot do without ai-edge-litert, whatever the model is."""
TOOLKIT_MODULES = ("ai_edge_litert", "PIL", "rich", "matplotlib", "platformdirs", "tomli")

EXAMPLES = {
    "build": (
        'edgeq build model.keras --calibration photos/ --preprocess "[0,1]" -o model.edgeq',
        "edgeq build model_int8.tflite --require-compiled",
    ),
    "compare": (
        'edgeq compare model.keras --calibration photos/ --data test/ --preprocess "[0,1]"',
        "edgeq compare model.keras --calibration c.npz --data test.npz --picture table.png",
    ),
    "evaluate": (
        "edgeq evaluate model.edgeq --data test.npz --picture confusion.png",
        "edgeq evaluate model.tflite --data pictures_by_class/ --labels labels.txt --json",
    ),
    "legalize": (
        "edgeq legalize model_int8.tflite -o legal.tflite",
        "edgeq legalize model_int8.tflite -o legal.tflite --skip unused --json",
    ),
    "analyze": (
        "edgeq analyze model_int8.tflite --picture graph.png",
        "edgeq analyze model.keras --json",
    ),
    "compile": (
        "edgeq compile model_int8.tflite -o model_edgetpu.tflite",
        "edgeq compile first.tflite second.tflite -o compiled/ --compiler docker",
    ),
    "doctor": ("edgeq doctor --for build", "edgeq doctor --compiler ssh://user@host --json"),
    "demo": ("edgeq demo", "edgeq demo --full-mnist -o demo-out --force"),
}


def host_verb(command: Callable[..., None]) -> Callable[..., None]:
    """The command, saying what to install where the toolkit's libraries are missing."""

    @functools.wraps(command)
    def guarded(*arguments: Any, **options: Any) -> None:
        if sys.version_info < (3, 10):
            version = ".".join(map(str, sys.version_info[:2]))
            raise MissingTool(
                f"edgeq {command.__name__}",
                f"needs Python 3.10 or later, this is {version}",
                hint=f"with a later Python: {TOOLKIT}; this one runs and verifies bundles",
            )
        if command.__name__ in EDITING and importlib.util.find_spec("ai_edge_litert") is None:
            raise MissingTool(
                f"edgeq {command.__name__}",
                "needs ai-edge-litert, which is not installed",
                hint=TOOLKIT,
            )
        try:
            command(*arguments, **options)
        except ModuleNotFoundError as error:
            name = (error.name or "").split(".")[0]
            if name not in TOOLKIT_MODULES:
                raise
            raise MissingTool(
                f"edgeq {command.__name__}", f"needs {name}, which is not installed", hint=TOOLKIT
            ) from error

    return guarded


def make_app() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(name="edgeq", **APP_SETTINGS)
    host_verbs = (
        building.build,
        building.compare,
        judging.evaluate,
        compiling.compile,
        compiling.doctor,
        legalizing.legalize,
        analyzing.analyze,
    )
    for command in host_verbs:
        add_host_verb(app, command)
    register(app)
    add_host_verb(app, judging.demo)
    app.callback()(with_types(edgeq))
    return app


def add_host_verb(app: typer.Typer, command: Callable[..., None]) -> None:
    """Add one of the host's commands, with its examples at the end of its help."""
    add = app.command(command.__name__, epilog=examples(*EXAMPLES[command.__name__]))
    add(host_verb(with_types(command)))


def edgeq(version: Version = False) -> None:
    """From any float model to a running Google Coral Edge TPU, in one command."""


def main() -> None:
    """Run the command line."""
    make_app()(prog_name="edgeq")
