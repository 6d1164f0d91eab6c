"""Runs a function of this package in a child process that may crash, hang or eat memory."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgeq_device.errors import MissingTool
from edgeq_device.runtime import quiet

Started = Callable[["subprocess.Popen[bytes]"], object]
_MARK = b"edgeq-child: "
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
    """"" or a phrase: "crashed (signal 11)", "did not end within 60 s"."""
    step: str
    """What the child said last through ``step``; "" if nothing."""
    stderr: str


def call(
    function: str,
    arguments: dict[str, Any],
    *,
    given: bytes,
    timeout: float,
    started: Started | None = None,
) -> Ending:
    """Call ``function`` ("package.module:name") with ``arguments`` in a new Python process.

    ``given`` is its stdin; ``started`` is told the process, to end it early. The function's
    result must be JSON values. ``$EDGEQ_PYTHON`` replaces the interpreter of the child (a command
    line, such as an emulator's); MissingTool if that fails.
    """
    # sys.path is handed over, so site has nothing to find: -S saves 20 ms.
    program = [*_python(), "-S", "-c", _START]
    process = _start([*program, json.dumps(sys.path), function, json.dumps(arguments)])
    if started:
        started(process)
    try:
        out, err = process.communicate(given, timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        return _ending(out, err, f"did not end within {timeout:g} s")
    except BaseException:
        process.kill()
        process.communicate()
        raise
    if process.returncode < 0:
        return _ending(out, err, f"crashed (signal {-process.returncode})")
    if process.returncode:
        return _ending(out, err, f"failed (exit code {process.returncode})")
    return _ending(out, err, "")


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise MissingTool(command[0], f"cannot be started: {error.strerror}") from error


def _ending(out: bytes, err: bytes, problem: str) -> Ending:
    """Read what the child said; native code may have printed lines of its own in between."""
    said = {"answer": None, "step": ""}
    for line in out.splitlines():
        if line.startswith(_MARK):
            said.update(json.loads(line[len(_MARK) :]))
    if not problem and said["answer"] is None:
        problem = "ended without an answer"
    return Ending(said["answer"], problem, str(said["step"]), err.decode("utf-8", "replace"))


def step(name: str) -> None:
    """The child's side: say what comes next, so that the parent knows where a crash happened."""
    _say({"step": name})


def answer(function: str, arguments: dict[str, Any]) -> None:
    """The child's side: call the function, print its result as JSON and leave without cleaning up.

    Interpreters and delegates may crash while they are torn down, after all the work is done.
    """
    _limit()
    quiet.enabled = False
    module, _, name = function.partition(":")
    __import__(module)
    _say({"answer": getattr(sys.modules[module], name)(**arguments)})
    sys.stderr.flush()
    os._exit(0)


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write("\n" + _MARK.decode() + json.dumps(what) + "\n")
    sys.stdout.flush()


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
