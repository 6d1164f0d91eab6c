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
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from edgeq_device import errors
from edgeq_device.errors import EdgeqError, MissingTool, ModelError
from edgeq_device.progress import Progress, silent

_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from edgeq.tensorflow_child.__main__ import main
main()
"""

_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",  # its kernels round otherwise from one CPU to the next
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "PYTHONHASHSEED": "0",
    "GRPC_VERBOSITY": "NONE",
}


class TensorFlowChild:
    """A process that holds TensorFlow, and a folder for what goes to and fro.

    It starts at once, so that TensorFlow's import (some seconds) runs beside other work.
    """

    def __init__(self, *, timeout: float = 1800.0) -> None:
        if importlib.util.find_spec("tensorflow") is None:
            raise MissingTool(
                "tensorflow",
                "is not installed, and reading this kind of model needs it",
                hint='pip install "edgeq[toolkit]"',
            )
        self._timeout = timeout
        self._scratch = tempfile.TemporaryDirectory(prefix="edgeq-tensorflow-")
        self.folder = Path(self._scratch.name)
        self._stderr = (self.folder / "stderr.txt").open("wb")
        self._pending = b""
        self.loaded: object = None
        """Whose model the process holds at the moment."""
        self._process = self._start()

    def ask(
        self, source: str, request: dict[str, Any], progress: Progress = silent
    ) -> dict[str, Any]:
        """Send one request and wait for its answer; errors speak of ``source``.

        ModelError where the process dies or does not answer within the timeout.
        """
        doing = request.get("mode", request["do"])
        deadline = time.monotonic() + self._timeout
        try:
            self._send(request)
            while True:
                reply = self._receive(deadline)
                if "progress" not in reply:
                    return _answer(reply)
                stage, done, total = reply["progress"]
                progress(stage, done, total)
        except _Died as died:
            raise self._obituary(source, doing, died) from None
        except TimeoutError:
            self.close()
            raise ModelError(
                source,
                f"TensorFlow did not finish ({doing}) within {self._timeout:g} s",
                hint="give a smaller model or fewer samples",
            ) from None
        except KeyboardInterrupt:
            self.close()
            raise

    def close(self) -> None:
        """End the process with all that it started, and remove the folder."""
        process = self._process
        if process.stdin is not None:
            with suppress(OSError):  # it died with a request unread
                process.stdin.close()
        _kill_group(process)
        if process.stdout is not None:
            process.stdout.close()
        self._stderr.close()
        self._scratch.cleanup()

    def __enter__(self) -> TensorFlowChild:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **_QUIET}
        environment.pop("TF_USE_LEGACY_KERAS", None)
        search = [str(Path(entry).resolve()) for entry in sys.path if entry]
        return subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(search)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=self.folder,
            env=environment,
            start_new_session=True,
        )

    def _send(self, request: dict[str, Any]) -> None:
        pipe = self._process.stdin
        if pipe is None or pipe.closed:
            raise _Died(self._process.poll())
        try:
            pipe.write(json.dumps(request).encode() + b"\n")
            pipe.flush()
        except BrokenPipeError:
            raise _Died(self._process.wait()) from None

    def _receive(self, deadline: float) -> dict[str, Any]:
        pipe = self._process.stdout
        if pipe is None or pipe.closed:
            raise _Died(self._process.poll())
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                raise TimeoutError
            chunk = os.read(pipe.fileno(), 65536)
            if not chunk:
                raise _Died(self._process.wait())
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _obituary(self, source: str, doing: str, died: _Died) -> ModelError:
        words = self._last_words()
        said = f": {words}" if words else ""
        return ModelError(
            source, f"TensorFlow died ({died.cause}) at {doing}{said}", hint=died.hint
        )

    def _last_words(self) -> str:
        try:
            text = (self.folder / "stderr.txt").read_bytes()[-4000:].decode("utf-8", "replace")
        except OSError:
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return " / ".join(lines[-2:])[:400]


class _Died(Exception):
    """The process ended while an answer was due."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            self.cause = f"signal {name}"
            self.hint = (
                "there was not enough memory: give a smaller model or fewer samples"
                if name == "SIGKILL"
                else "use --engine litert, or replace what TensorFlow cannot convert "
                "(loops such as a recurrent layer's)"
            )
        else:
            self.cause = f"exit code {code}" if code is not None else "closed"
            self.hint = "open the model again"


def _answer(reply: dict[str, Any]) -> dict[str, Any]:
    if "answer" in reply:
        answer: dict[str, Any] = reply["answer"]
        return answer
    if "error" in reply:
        raise _error(reply["error"])
    raise RuntimeError(f"in the TensorFlow process:\n{reply['bug']}")


def _error(facts: dict[str, Any]) -> EdgeqError:
    kind = getattr(errors, facts["type"])
    error: EdgeqError = kind(facts["path"], facts["problem"], hint=facts["hint"])
    return error


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()
