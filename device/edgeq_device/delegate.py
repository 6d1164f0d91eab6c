"""The one door to libedgetpu: find it, try it in a child process, only then load it here.

libedgetpu gives no reasons: it crashes a process whose runtime it does not fit, aborts it when the
device goes away, and says "Failed to load delegate" to everything else. So the first try happens in
a child process, and what is known before (no device, no permission) is for
``edgeq_device.hardware``.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

import numpy as np

from edgeq_device.errors import EdgeqError, MissingTool
from edgeq_device.runtime import RUNTIMES, LoadOptions, Runtime, child, find_runtime, load

OLDEST_RUNTIME_VERSION = 14
"""Of libedgetpu (release 16.0); earlier ones lay out tensors as no runtime on PyPI does."""

_SYSTEM_NAMES = {"darwin": "libedgetpu.1.dylib", "win32": "edgetpu.dll"}
_RUNTIME_VERSION = re.compile(r"RuntimeVersion\((\d+)\)")
_NOT_FOUND = re.compile(r"(?P<library>\S+): cannot open shared object file: No such file")
_LOG_LINE = re.compile(r"(?P<level>[IWEF])\S* .*?\S+:\d+\] (?P<text>.+)")
"""A line of the driver's log, such as "F driver/usb/usb_driver.cc:1148] Not found: ..."."""
_STEPS = {
    "open": "loading {library}",
    "delegate": "opening the Edge TPU through {library}",
    "build": "building the interpreter with {library}",
    "run": "the first inference through {library}",
}


@dataclass(frozen=True)
class DelegateOptions:
    """Which library, which device, through which runtime."""

    library: str | None = None
    """A path; None: ``$EDGEQ_LIBEDGETPU``, else the system's."""
    device: str = ""
    """"" (any), "usb", "pci", "usb:0", "pci:0", ":0"."""
    runtime: str | None = None
    timeout: float = 35.0
    """Seconds for the whole try: a first use after power-on takes 4, a refused open 25."""


@dataclass(frozen=True)
class Usable:
    """The model ran once on an Edge TPU in a child process."""

    library: str
    version: str
    """What the library says of itself."""
    device: str
    runtime: Runtime


@dataclass(frozen=True)
class Unusable:
    """Why the model cannot run on an Edge TPU now, as a sentence, and what to do."""

    reason: str
    hint: str = ""


Verdict = Union[Usable, Unusable]


def find_libedgetpu(path: str | None = None) -> str:
    """What to hand to the dynamic loader: ``path``, else ``$EDGEQ_LIBEDGETPU``, else its name.

    MissingTool where an explicit path does not exist. The system's library is searched by the
    dynamic loader itself, so whether it is there turns out in ``probe_edgetpu``.
    """
    option = "--libedgetpu" if path else "$EDGEQ_LIBEDGETPU"
    path = path or os.environ.get("EDGEQ_LIBEDGETPU")
    if not path:
        return _SYSTEM_NAMES.get(sys.platform, "libedgetpu.so.1")
    if not Path(path).is_file():
        raise MissingTool("libedgetpu", f"{path} does not exist", hint=f"see {option}")
    return path


def probe_edgetpu(
    model: bytes, *, name: str = "model", options: DelegateOptions | None = None
) -> Verdict:
    """Run a compiled model once on an Edge TPU, in a child process that may crash or hang.

    ``name`` stands for the model in reasons. MissingTool without a runtime, or where an explicit
    library is missing; everything else that goes wrong is an ``Unusable``.
    """
    options = options or DelegateOptions()
    runtime = find_runtime(options.runtime)
    library = find_libedgetpu(options.library)
    ending = child.call(
        "edgeq_device.delegate:try_once",
        {"name": name, "library": library, "device": options.device, "runtime": runtime.name},
        given=model,
        timeout=options.timeout,
    )
    if ending.problem:
        return _died(ending, Path(library).name, runtime)
    if "error" in ending.answer:
        said = _last_words(ending.stderr, "IWEF") if ending.step == "delegate" else ""
        return Unusable(ending.answer["error"] + said, ending.answer["hint"])
    return Usable(library, ending.answer["version"], options.device, runtime)


def load_delegate(usable: Usable) -> Any:
    """Load libedgetpu in this process -> the delegate for ``LoadOptions``.

    It takes a ``Usable`` because an untried library may end the process. Keep the delegate longer
    than the model that it is in. MissingTool where the device has gone since.
    """
    try:
        return usable.runtime.module().load_delegate(usable.library, _device(usable.device))
    except (OSError, ValueError) as error:
        raise MissingTool(
            "libedgetpu", "could not open the Edge TPU, which worked a moment ago"
        ) from error


def try_once(name: str, library: str, device: str, runtime: str) -> dict[str, Any]:
    """The child's side of ``probe_edgetpu``: the model comes from stdin."""
    model = sys.stdin.buffer.read()
    child.step("open")
    try:
        opened = ctypes.CDLL(library)
    except OSError as error:
        return _not_loaded(library, str(error))
    version = _version(opened)
    number = _RUNTIME_VERSION.search(version)
    if number is None:
        return _failed(f"{library} is not libedgetpu: it has no edgetpu_version")
    if int(number[1]) < OLDEST_RUNTIME_VERSION:
        return _failed(
            f"{library} is too old: {number[0]}, at least {OLDEST_RUNTIME_VERSION} is needed",
            "apt install libedgetpu1-std (release 16.0)",
        )
    child.step("delegate")
    module = find_runtime(runtime).module()
    try:
        delegate = module.load_delegate(library, _device(device))
    except ValueError:
        return _failed(f"libedgetpu did not open the Edge TPU {device}".rstrip())
    child.step("build")
    try:
        loaded = load(model, name=name, options=LoadOptions(runtime=runtime, delegate=delegate))
        child.step("run")
        loaded.run(*(np.zeros(spec.shape, spec.dtype) for spec in loaded.inputs))
    except EdgeqError as error:
        return _failed(f"libedgetpu does not run this model: {error.sentence}", error.hint)
    return {"version": version}


def _version(library: ctypes.CDLL) -> str:
    """The library's own words, with its log turned on: reasons go to stderr alone."""
    try:
        tell = library.edgetpu_version
        tell.restype = ctypes.c_char_p
        library.edgetpu_verbosity(1)
        return (tell() or b"").decode("utf-8", "replace")
    except AttributeError:
        return ""


def _device(device: str) -> dict[str, str]:
    return {"device": device} if device else {}


def _failed(reason: str, hint: str = "") -> dict[str, str]:
    return {"error": reason, "hint": hint}


def _not_loaded(library: str, text: str) -> dict[str, str]:
    missing = _NOT_FOUND.search(text)
    if missing and missing["library"] == library:
        return _failed(f"{library} is not installed", "apt install libedgetpu1-std")
    if missing and missing["library"].startswith("libusb"):
        return _failed(
            f"{library} needs {missing['library']}, which is not installed",
            "apt install libusb-1.0-0",
        )
    return _failed(f"{library} cannot be loaded: {text}")


def _died(ending: child.Ending, library: str, runtime: Runtime) -> Unusable:
    doing = _STEPS.get(ending.step, "trying {library}").format(library=library)
    if ending.problem.startswith("crashed"):
        signal = ending.problem[len("crashed ") :]
        said = _last_words(ending.stderr, "EF")
        other = RUNTIMES[1 - RUNTIMES.index(runtime.name)]
        return Unusable(
            f"{doing} crashed the interpreter {signal}{said}",
            "unplug the device and plug it in again"
            if said
            else f"this libedgetpu does not fit {runtime}; try --runtime {other}",
        )
    hint = "unplug the device and plug it in again" if "within" in ending.problem else ""
    return Unusable(f"{doing} {ending.problem}{_last_words(ending.stderr, 'EF')}", hint)


def _last_words(stderr: str, levels: str) -> str:
    """The last line of the driver's log at one of ``levels`` (IWEF), after ": "; or nothing."""
    lines = [match for match in map(_LOG_LINE.match, stderr.splitlines()) if match]
    said = [match["text"] for match in lines if match["level"] in levels]
    return f": {said[-1]}" if said else ""
