"""Runs a function of this package in a child process that may crash, hang or eat memory."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from edgeq_device.runtime import quiet

_START = """
import sys, json
sys.path[:] = json.loads(sys.argv[1])
from edgeq_device.runtime import child
child.answer(sys.argv[2], json.loads(sys.argv[3]))
"""


@dataclass(frozen=True)
class Ending:
    """How a child ended: its answer, or the signal or time limit that ended it."""

    answer: Any
    """What the function returned (JSON values); None unless it returned."""
    problem: str
    """"" or a phrase: "crashes (signal 11)", "did not end within 60 s"."""
    stderr: str


def call(function: str, arguments: dict[str, Any], *, given: bytes, timeout: float) -> Ending:
    """Call ``function`` ("package.module:name") with ``arguments`` in a new Python process.

    ``given`` is its stdin. The function's result must be JSON values. ``$EDGEQ_PYTHON`` replaces
    the interpreter of the child (a command line, such as an emulator's).
    """
    command = [
        *_python(),
        "-S",  # sys.path is handed over, so site has nothing to find: 20 ms less
        "-c",
        _START,
        json.dumps(sys.path),
        function,
        json.dumps(arguments),
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        out, err = process.communicate(given, timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        _, err = process.communicate()
        return Ending(None, f"did not end within {timeout:g} s", _text(err))
    except BaseException:
        process.kill()
        process.communicate()
        raise
    if process.returncode < 0:
        return Ending(None, f"crashed (signal {-process.returncode})", _text(err))
    lines = out.splitlines()
    if process.returncode or not lines:
        return Ending(None, f"failed (exit code {process.returncode})", _text(err))
    return Ending(json.loads(lines[-1]), "", _text(err))


def answer(function: str, arguments: dict[str, Any]) -> None:
    """The child's side: call the function, print its result as JSON and leave without cleaning up.

    Interpreters and delegates may crash while they are torn down, after all the work is done.
    """
    _limit()
    quiet.enabled = False
    module, _, name = function.partition(":")
    __import__(module)
    result = getattr(sys.modules[module], name)(**arguments)
    sys.stdout.write("\n" + json.dumps(result) + "\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _limit() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (memory, hard))


def _python() -> list[str]:
    return shlex.split(os.environ.get("EDGEQ_PYTHON", "")) or [sys.executable]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
