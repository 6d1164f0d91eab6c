"""Which model runs on what: the Edge TPU where it works, else the CPU, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edgeq_device.errors import ConfigError, MissingDevice, MissingTool, ModelError
from edgeq_device.hardware import NoDevice, find_devices, pick_device
from edgeq_device.runner.deployment import Deployment
from edgeq_device.runtime import LoadedModel, LoadOptions, load

BACKENDS = ("auto", "cpu", "edgetpu")


@dataclass(frozen=True)
class RunnerOptions:
    """What the user asked for; None leaves the choice to edgeq."""

    backend: str = "auto"
    device: str | None = None
    """Which Edge TPU: "usb", "pci", "usb:0", "pci:0", ":0"."""
    threads: int | None = None
    runtime: str | None = None
    libedgetpu: str | None = None

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            hint = "auto takes the Edge TPU where there is one, else the CPU"
            raise ConfigError("--backend", self.backend, ", ".join(BACKENDS), hint=hint)
        if self.threads is not None and not 1 <= self.threads <= 1024:
            hint = "left out, it is all cores"
            raise ConfigError("--threads", self.threads, "from 1 to 1024", hint=hint)


@dataclass(frozen=True)
class Choice:
    """The loaded model, where it runs, and why not on the Edge TPU (None: nobody asked for it)."""

    backend: str
    model: LoadedModel
    fallback_reason: str | None = None
    delegate: Any = field(default=None, repr=False)
    """Kept as long as the model, which calls into it."""


@dataclass(frozen=True)
class Refusal:
    """Why the Edge TPU cannot be used, as a sentence, and what to do."""

    reason: str
    hint: str = ""


def choose(deployment: Deployment, options: RunnerOptions) -> Choice:
    """Load the model for the backend asked for; "auto" falls back to the CPU with the reason.

    MissingDevice where "edgetpu" was asked for and cannot be, or where only a compiled model is
    there and no Edge TPU works.
    """
    if options.device:
        pick_device((), options.device)  # a misspelt device is wrong on any backend
    if options.backend == "cpu":
        return _on_cpu(deployment, options, None)
    tried = _try_edgetpu(deployment, options)
    if isinstance(tried, Choice):
        return tried
    if options.backend == "edgetpu":
        raise MissingDevice(f"--backend edgetpu cannot be used: {tried.reason}", hint=tried.hint)
    if not deployment.has("cpu"):
        problem = f"{deployment.path} is compiled for the Edge TPU, and {tried.reason}"
        hint = tried.hint or "give the bundle, or the model that was not compiled"
        raise MissingDevice(problem, hint=hint)
    return _on_cpu(deployment, options, tried.reason)


def _on_cpu(deployment: Deployment, options: RunnerOptions, reason: str | None) -> Choice:
    if not deployment.has("cpu"):
        problem = f"{deployment.path} is compiled for the Edge TPU: a CPU cannot run it"
        raise MissingDevice(problem, hint="give the bundle, or the model that was not compiled")
    chosen = LoadOptions(threads=options.threads, runtime=options.runtime)
    model = load(bytes(deployment.model("cpu")), name=deployment.path, options=chosen)
    return Choice("cpu", model, reason)


def _try_edgetpu(deployment: Deployment, options: RunnerOptions) -> Choice | Refusal:
    if not deployment.has("edgetpu"):
        reason = "the bundle holds no model compiled for the Edge TPU"
        if deployment.bundle is None:
            reason = "the model is not compiled for the Edge TPU"
        return Refusal(reason, "build it where edgetpu_compiler is installed")
    found = pick_device(find_devices(), options.device or "")
    if isinstance(found, NoDevice):
        return Refusal(found.reason, found.hint)
    return _on_edgetpu(deployment, options)


def _on_edgetpu(deployment: Deployment, options: RunnerOptions) -> Choice | Refusal:
    # Imported here, because most runs never need libedgetpu and what it takes to try it.
    from edgeq_device import delegate

    data = bytes(deployment.model("edgetpu"))
    wanted = delegate.DelegateOptions(
        library=options.libedgetpu, device=options.device or "", runtime=options.runtime
    )
    verdict = delegate.probe_edgetpu(data, name=deployment.path, options=wanted)
    if not isinstance(verdict, delegate.Usable):
        return Refusal(verdict.reason, verdict.hint)
    try:
        loaded = delegate.load_delegate(verdict)
        chosen = LoadOptions(threads=options.threads, runtime=verdict.runtime.name, delegate=loaded)
        return Choice("edgetpu", load(data, name=deployment.path, options=chosen), None, loaded)
    except (MissingTool, ModelError) as error:  # it worked in the child, and was unplugged since
        return Refusal(error.sentence, error.hint)
