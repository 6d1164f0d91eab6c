"""Which interpreter is there: ai-edge-litert if installed, else tflite-runtime; never tf.lite."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq_device.errors import ConfigError, MissingTool

RUNTIMES = ("ai-edge-litert", "tflite-runtime")
"""In the order of preference: on x86-64 the first runs integer models many times faster."""

LITERT_REQUIREMENT = "ai-edge-litert>=2.1.6,<2.4"
"""The versions that edgeq was tested with; the same as in pyproject.toml."""

_PACKAGES = {"ai-edge-litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}
_FIRST_TFLITE_FOR_NUMPY_2 = (2, 18)
"""TensorFlow builds against numpy 2 since 2.18; earlier tflite-runtime fails at the first model."""


@dataclass(frozen=True)
class Runtime:
    """An installed interpreter package, by its name on PyPI."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def module(self) -> Any:
        """The package's ``interpreter`` module; MissingTool where it does not load."""
        try:
            return importlib.import_module(f"{_PACKAGES[self.name]}.interpreter")
        except (ImportError, OSError) as error:
            other = RUNTIMES[1 - RUNTIMES.index(self.name)]
            raise MissingTool(
                self.name,
                f"version {self.version} is installed but cannot be loaded: {error}",
                hint=f"reinstall it with: {install_command(self.name)}; "
                f"or choose the other one with --runtime {other}",
            ) from error


def find_runtime(name: str | None = None) -> Runtime:
    """The runtime called ``name`` (else ``$EDGEQ_RUNTIME``, else the first one installed).

    MissingTool names the exact pip command for this Python and machine; ConfigError an unknown
    name. Only the package's top is imported here; the interpreter itself when a model is loaded.
    """
    option = "--runtime" if name else "$EDGEQ_RUNTIME"
    name = name or os.environ.get("EDGEQ_RUNTIME") or None
    if name is not None and name not in RUNTIMES:
        hint = "left out, it is the first of them that is installed"
        raise ConfigError(option, name, " or ".join(RUNTIMES), hint=hint)
    for candidate in (name,) if name else RUNTIMES:
        if importlib.util.find_spec(_PACKAGES[candidate]) is not None:
            runtime = Runtime(candidate, _version(candidate))
            _refuse_wrong_numpy(runtime)
            return runtime
    raise MissingTool(
        name or "runtime",
        "not installed" if name else "neither ai-edge-litert nor tflite-runtime is installed",
        hint=_install_hint(name),
    )


def install_command(name: str | None = None) -> str:
    """The pip command that installs a runtime on this Python and machine; "" if there is none."""
    here = sys.version_info[:2]
    arm32 = platform.machine().startswith(("armv6", "armv7"))
    if name != "tflite-runtime" and here >= (3, 10) and not arm32:
        return f'pip install "{LITERT_REQUIREMENT}"'
    if name != "ai-edge-litert" and here < (3, 12) and sys.platform == "linux":
        return 'pip install tflite-runtime "numpy<2"'
    return ""


def _install_hint(name: str | None) -> str:
    command = install_command(name)
    if command:
        return command
    place = f"Python {sys.version_info[0]}.{sys.version_info[1]} on {platform.machine()}"
    other = install_command()
    if other:
        return f"PyPI has no {name} for {place}; use the other runtime: {other}"
    return f"PyPI has no runtime for {place}; use Python 3.9 to 3.11"


def _version(name: str) -> str:
    try:
        version = getattr(importlib.import_module(_PACKAGES[name]), "__version__", None)
    except (ImportError, OSError):
        version = None  # said in full by Runtime.module()
    if version is None:
        from importlib import metadata

        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            version = "unknown"
    return str(version)


def _refuse_wrong_numpy(runtime: Runtime) -> None:
    if runtime.name != "tflite-runtime" or int(np.__version__.split(".")[0]) < 2:
        return
    parts = runtime.version.split(".")
    if all(part.isdigit() for part in parts[:2]):
        version = tuple(int(part) for part in parts[:2])
        if version >= _FIRST_TFLITE_FOR_NUMPY_2:
            return
    raise MissingTool(
        runtime.name,
        f"version {runtime.version} does not work with numpy {np.__version__}",
        hint='pip install "numpy<2"',
    )
