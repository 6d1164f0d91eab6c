"""The parent's side of the TensorFlow process: start it, ask, and say how it died."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from edgeq_device import errors
from edgeq_device.closing import Closing
from edgeq_device.errors import EdgeqError, MissingTool, ModelError, OutputError
from edgeq_device.progress import Progress, silent

_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from edgeq.tensorflow_child.__main__ import main
main(lean=json.loads(sys.argv[2]))
"""

_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",  # its kernels round otherwise from one CPU to the next
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "PYTHONHASHSEED": "0",
}

_NOISE = ("I0000 ", "W0000 ", "E0000 ", "WARNING:", "INFO:", "warnings.warn")


class TensorFlowChild(Closing):
    """A process that holds TensorFlow, and a folder for what goes to and fro.

    It starts at once, so that TensorFlow's import (some seconds) runs beside other work, and
    again at the next request after it died. ``lean`` is for models alone: a user's function
    may need what is left out then. Threads take turns. MissingTool without TensorFlow.
    """

    def __init__(self, *, lean: bool = False, timeout: float = 1800.0) -> None:
        if importlib.util.find_spec("tensorflow") is None:
            raise MissingTool(
                "tensorflow",
                "is not installed, and reading this kind of model needs it",
                hint='pip install "edgeq[toolkit]"',
            )
        self._lean = lean
        self._timeout = timeout
        self._turn = threading.Lock()
        self._scratch = _scratch_folder()
        self.folder = Path(self._scratch.name)
        self._stderr = (self.folder / "stderr.txt").open("wb")
        self._pending = b""
        self.loaded: object = None
        """Whose model the process holds at the moment."""
        self._alive: subprocess.Popen[bytes] | None = None
        self._process = self._start()

    def ask(
        self, source: str, request: dict[str, Any], progress: Progress = silent
    ) -> dict[str, Any]:
        """Send one request and wait for its answer; errors speak of ``source``.

        ModelError where the process dies or does not answer within the timeout.
        """
        with self._turn:
            return self._ask(source, request, progress)

    def _ask(self, source: str, request: dict[str, Any], progress: Progress) -> dict[str, Any]:
        deadline = time.monotonic() + self._timeout
        heard = os.fstat(self._stderr.fileno()).st_size
        try:
            self._send(request)
            while True:
                reply = self._receive(deadline)
                if "progress" not in reply:
                    return _answer(reply)
                stage, done, total = reply["progress"]
                progress(stage, done, total)
        except _DiedError as died:
            self._end()
            raise _obituary(source, request, died.code, self._last_words(heard)) from None
        except TimeoutError:
            self._end()
            raise ModelError(
                source,
                f"TensorFlow did not finish within {self._timeout:g} s while it {_doing(request)}",
                hint="give a smaller model or fewer samples",
            ) from None
        except KeyboardInterrupt:
            self._end()
            raise

    def restart(self) -> None:
        """Start the process again where it ended."""
        with self._turn:
            if self._process.poll() is not None:
                self._end()
                self._process = self._start()

    def close(self) -> None:
        """End the process with all that it started, and remove the folder."""
        self._kill()  # whoever waits for an answer goes on
        with self._turn:
            self._end()
            self._stderr.close()
            self._scratch.cleanup()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **_QUIET}
        environment.pop("TF_USE_LEGACY_KERAS", None)
        search = [str(Path(entry).resolve()) for entry in sys.path if entry]
        self._alive = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                "-c",
                _START,
                json.dumps(search),
                json.dumps(self._lean),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=self.folder,
            env=environment,
            start_new_session=True,
        )
        return self._alive

    def _end(self) -> None:
        """Kill the process and its group; safe to call again."""
        self.loaded = None
        self._pending = b""
        self._kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # it died with a request unread
                    pipe.close()

    def _kill(self) -> None:
        """Once for each process: later its number may be another's."""
        process, self._alive = self._alive, None
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _send(self, request: dict[str, Any]) -> None:
        pipe = self._process.stdin
        try:
            if pipe is None or pipe.closed:
                raise _DiedError(self._process.wait())
            pipe.write(json.dumps(request).encode() + b"\n")
            pipe.flush()
        except BrokenPipeError:
            raise _DiedError(self._process.wait()) from None

    def _receive(self, deadline: float) -> dict[str, Any]:
        pipe = self._process.stdout
        if pipe is None:
            raise _DiedError(self._process.wait())
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                raise TimeoutError
            chunk = os.read(pipe.fileno(), 65536)
            if not chunk:
                raise _DiedError(self._process.wait())
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _last_words(self, heard: int) -> str:
        """The last two lines that the process wrote to stderr since ``heard`` bytes."""
        with suppress(OSError):
            text = (self.folder / "stderr.txt").read_bytes()[heard:].decode("utf-8", "replace")
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            telling = [line for line in lines if not line.startswith(_NOISE)]
            return " / ".join(telling[-2:])[:400]
        return ""


def _scratch_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="edgeq-tensorflow-")
    except OSError as error:
        raise OutputError(
            tempfile.gettempdir(),
            f"cannot be written: {error.strerror or error}",
            hint="set $TMPDIR to a folder with space",
        ) from error


class _DiedError(Exception):
    """The process ended while an answer was due."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _answer(reply: dict[str, Any]) -> dict[str, Any]:
    if "answer" in reply:
        answer: dict[str, Any] = reply["answer"]
        return answer
    if "error" in reply:
        facts = reply["error"]
        kind = getattr(errors, facts["type"])
        error: EdgeqError = kind(facts["path"], facts["problem"], hint=facts["hint"])
        raise error
    raise RuntimeError(f"in the TensorFlow process:\n{reply['bug']}")


def _doing(request: dict[str, Any]) -> str:
    if request["do"] == "load":
        return "read the model"
    return f"converted the model ({request['mode']})"


def _obituary(source: str, request: dict[str, Any], code: int, words: str) -> ModelError:
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    if code == -signal.SIGKILL:
        hint = "there may be too little memory: give a smaller model or fewer samples"
    elif code == -signal.SIGILL:
        hint = "TensorFlow's wheels need a CPU with AVX: use another machine"
    elif request["do"] == "load":
        hint = "load it in Python to see what crashes"
    else:
        hint = (
            "its converter crashes on something in the model, such as the loop of a recurrent "
            "layer: give the Keras model itself, whose loops edgeq unrolls"
        )
    problem = f"TensorFlow died ({how}) while it {_doing(request)}"
    return ModelError(source, f"{problem}: {words}" if words else problem, hint=hint)
