"""How the compiler is to be called: its flags under our names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeq_device.errors import ConfigError

_OLDEST_RUNTIME_OF_15 = 13  # versions before 16.0 do not know runtime 14


@dataclass(frozen=True)
class CompileOptions:
    """How to call the compiler."""

    compiler: str | Path | None = None
    """A path, "docker", "docker:IMAGE" or "ssh://user@host"; None: $EDGEQ_COMPILER, else PATH."""
    timeout: int = 180
    """Seconds for the compilation itself."""
    min_runtime_version: int = 14
    """The oldest Edge TPU runtime that the result must run on."""
    intermediate_tensors: tuple[tuple[str, ...], ...] = ()
    """For each model the tensors that end the Edge TPU's part; () for the model's own outputs."""
    segments: int = 1
    """Into how many models, for as many Edge TPUs, one is cut."""
    search_delegate: bool = False
    """Let the compiler search for an earlier cut where it fails."""
    search_step: int = 1
    """How many operators it steps back at each attempt."""
    multiple_subgraphs: bool = False
    """Allow several parts on the Edge TPU; experimental in the compiler, and mostly slower."""
    cache: Path | None = None
    """The folder that keeps results, or None to compile anew."""


def flags(options: CompileOptions, major: int) -> list[str]:
    """The compiler's arguments for ``options``, but the output folder and the models.

    ConfigError where a compiler with this first version number lacks one of them.
    """
    oldest, timer = options.min_runtime_version, ["-t", str(options.timeout)]
    if major < 16:
        if options.search_delegate:
            allowed = "left out: edgetpu_compiler has it since 16.0"
            raise ConfigError("--search-delegate", f"given for {major}.x", allowed)
        oldest, timer = min(oldest, _OLDEST_RUNTIME_OF_15), []
    found = ["-m", str(oldest), *timer]
    if options.intermediate_tensors:
        lists = [",".join(names) for names in options.intermediate_tensors]
        found += ["-i", ":".join(lists)]
    if options.segments > 1:
        found += ["-n", str(options.segments)]
    if options.search_delegate:
        found += ["-d", "-k", str(options.search_step)]
    if options.multiple_subgraphs:
        found.append("-a")
    return found


def check_options(options: CompileOptions, models: int) -> None:
    """ConfigError where the options contradict each other, or the number of models."""
    if options.segments < 1:
        raise ConfigError("--segments", options.segments, "at least 1")
    if options.segments > 1 and models > 1:
        hint = "cut each model alone"
        raise ConfigError("--segments", options.segments, "1 for several models", hint=hint)
    if options.search_step < 1:
        raise ConfigError("--search-step", options.search_step, "at least 1")
    if options.timeout < 1:
        raise ConfigError("--timeout", options.timeout, "at least 1 second")
    lists = options.intermediate_tensors
    if lists and len(lists) != models:
        allowed = f"given once for each of the {models} models"
        raise ConfigError("--intermediate-tensors", f"{len(lists)} lists", allowed)
