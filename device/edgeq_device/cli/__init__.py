"""The commands of a board: run, benchmark, info, verify."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import typer

from edgeq_device import __version__, console
from edgeq_device.cli import judging
from edgeq_device.cli.run import EXAMPLES as RUN_EXAMPLES
from edgeq_device.cli.run import run

Function = TypeVar("Function", bound=Callable[..., None])


@dataclass(frozen=True)
class Command:
    """A command's name, its line in the list of commands, its function, its help's examples."""

    name: str
    summary: str
    function: Callable[..., None]
    examples: str


COMMANDS = (
    Command("run", "Run a bundle on pictures and arrays.", run, RUN_EXAMPLES),
    Command(
        "benchmark",
        "Measure how long an inference takes.",
        judging.benchmark,
        judging.BENCHMARK_EXAMPLES,
    ),
    Command("info", "Show what a bundle is.", judging.info, judging.INFO_EXAMPLES),
    Command(
        "verify", "Check a bundle and what it computes.", judging.verify, judging.VERIFY_EXAMPLES
    ),
)

APP_SETTINGS: dict[str, Any] = {
    "cls": console.ErrorBoundary,
    "add_completion": False,
    "no_args_is_help": True,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
"""How every edgeq app is made: plain help, and the one error boundary."""


def register(app: typer.Typer) -> None:
    """Add the board's commands to an app."""
    for command in COMMANDS:
        add = app.command(command.name, short_help=command.summary, epilog=command.examples)
        add(with_types(command.function))


def with_types(function: Function) -> Function:
    """The same function, its annotations evaluated: on Python 3.9 typer leaves them as text.

    Then the options in ``Annotated`` would be lost (`typer.utils.get_params_from_function`);
    `typing.get_type_hints` loses them too, where the default is None.
    """
    function.__annotations__ = {
        name: eval(text, function.__globals__) if isinstance(text, str) else text
        for name, text in function.__annotations__.items()
    }
    return function


app = typer.Typer(name="edgeq", **APP_SETTINGS)
register(app)


def show_version(wanted: bool) -> None:
    """Print the version and stop, for --version."""
    if wanted:
        console.result(f"edgeq {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=show_version, is_eager=True, help="show the version")
]


@app.callback()
@with_types
def edgeq(version: Version = False) -> None:
    """Run edgeq bundles on this machine, on its Edge TPU where it has one."""


def main() -> None:
    """The command line of a board that has the device package alone."""
    app(prog_name="edgeq")
