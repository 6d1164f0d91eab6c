"""The one door to an interpreter: find a runtime, load a model, probe a stranger's model."""

from __future__ import annotations

from edgeq_device.runtime.find import RUNTIMES, Runtime, find_runtime
from edgeq_device.runtime.loaded import LoadedModel, LoadOptions, load
from edgeq_device.runtime.probing import Probe, probe

__all__ = [
    "RUNTIMES",
    "LoadOptions",
    "LoadedModel",
    "Probe",
    "Runtime",
    "find_runtime",
    "load",
    "probe",
]
