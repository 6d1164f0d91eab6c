"""Ctrl-C: exit code 130, no half-written file, no temporary folder and no process left behind."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.cli import models
from tests.cli.conftest import Workshop
from tests.cli.processes import descendants, is_gone
from tests.cli.running import command, environment, files_in

STAND_IN = Path(__file__).resolve().parent.parent / "fakes" / "edgetpu_compiler"


@dataclass
class Running:
    """A command on a terminal of its own, with its temporary files in ``scratch``."""

    process: subprocess.Popen[bytes]
    terminal: int
    scratch: Path
    heard: str = ""

    def hear(self, seconds: float) -> None:
        """Read what it says within that time."""
        if select.select([self.terminal], [], [], seconds)[0]:
            try:
                self.heard += os.read(self.terminal, 65536).decode("utf-8", "replace")
            except OSError:  # it has ended
                time.sleep(seconds)

    def until(self, happened: Callable[[], bool], what: str) -> None:
        """Wait for something to happen, at most a minute."""
        deadline = time.monotonic() + 60
        while not happened():
            assert time.monotonic() < deadline, f"never: {what}\n{self.heard}"
            assert self.process.poll() is None, f"ended before: {what}\n{self.heard}"
            self.hear(0.05)


def start(folder: Path, *arguments: object, env: dict[str, str] | None = None) -> Running:
    """Start a command in a session of its own, as a shell on a terminal would."""
    scratch = folder / "scratch"
    scratch.mkdir()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env=environment({"TMPDIR": str(scratch), "TERM": "xterm", **(env or {})}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    return Running(process, ours, scratch)


def stop(running: Running, *, whole_group: bool) -> None:
    """Send SIGINT and check what is left; ``whole_group`` as Ctrl-C on a terminal does."""
    family = descendants(running.process.pid)
    send = os.killpg if whole_group else os.kill
    send(running.process.pid, signal.SIGINT)
    deadline = time.monotonic() + 60
    while running.process.poll() is None and time.monotonic() < deadline:
        running.hear(0.05)
    running.hear(0.2)
    os.close(running.terminal)
    assert running.process.stdout is not None
    with running.process.stdout as stdout:
        assert stdout.read() == b""
    assert running.process.returncode == 130, running.heard
    assert "stopped" in running.heard
    assert "Traceback" not in running.heard
    assert [pid for pid in family if not is_gone(pid)] == []
    assert files_in(running.scratch) == []
    assert list(running.scratch.iterdir()) == []


@pytest.mark.parametrize("whole_group", [True, False])
def test_while_the_model_is_tried_in_a_child(
    shop: Workshop, tmp_path: Path, whole_group: bool
) -> None:
    hangs = tmp_path / "hangs"
    hangs.write_text("#!/bin/sh\nexec sleep 600\n")
    hangs.chmod(0o755)
    options = [*shop.options, "-o", "out.edgeq"]
    running = start(tmp_path, "build", shop.model, *options, env={"EDGEQ_PYTHON": str(hangs)})
    running.until(lambda: len(descendants(running.process.pid)) == 1, "a child")
    time.sleep(0.3)
    stop(running, whole_group=whole_group)
    assert files_in(tmp_path) == ["hangs"]


def test_while_it_calibrates(tmp_path: Path) -> None:
    (tmp_path / "large.tflite").write_bytes(models.color_classifier(512))
    samples = np.random.default_rng(0).integers(0, 256, (4, 512, 512, 3), np.uint8)
    np.savez(tmp_path / "c.npz", x=np.repeat(samples, 50, axis=0))
    options = ["--calibration", "c.npz", "--threads", "1", "-o", "out.edgeq"]
    left = files_in(tmp_path)
    running = start(tmp_path, "build", "large.tflite", *options)
    running.until(lambda: "calibrate" in running.heard, "calibration")
    stop(running, whole_group=True)
    assert files_in(tmp_path) == left


@pytest.mark.parametrize("whole_group", [True, False])
def test_while_a_users_function_yields_samples(
    shop: Workshop, tmp_path: Path, whole_group: bool
) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\nfrom pathlib import Path\n"
        "def samples():\n    Path('started').touch()\n    time.sleep(600)\n    yield 0\n"
    )
    options = ["--calibration", "slow:samples", "-o", "out.edgeq"]
    running = start(tmp_path, "build", shop.model, *options, env={"PYTHONDONTWRITEBYTECODE": "1"})
    running.until((tmp_path / "started").exists, "the function")
    stop(running, whole_group=whole_group)
    assert files_in(tmp_path) == ["slow.py", "started"]


@pytest.mark.parametrize("whole_group", [True, False])
def test_while_the_compiler_works(shop: Workshop, tmp_path: Path, whole_group: bool) -> None:
    pids = tmp_path / "pids"
    env = {
        "EDGEQ_COMPILER": str(STAND_IN),
        "EDGEQ_FAKE_COMPILER": "hang",
        "EDGEQ_FAKE_PIDS": str(pids),
    }
    running = start(tmp_path, "build", shop.model, *shop.options, "-o", "out.edgeq", env=env)
    running.until(lambda: pids.exists() and len(pids.read_text().split()) == 2, "the compiler")
    stop(running, whole_group=whole_group)
    assert files_in(tmp_path) == ["pids"]
    assert all(is_gone(int(pid)) for pid in pids.read_text().split())


@pytest.mark.tensorflow
def test_while_tensorflow_loads(keras_models: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", image=np.zeros((60, 28, 28), np.uint8))
    options = ["--calibration", "c.npz", "--preprocess", "[0,1]", "-o", "out.edgeq"]
    left = files_in(tmp_path)
    running = start(tmp_path, "build", keras_models / "digits.keras", *options)
    running.until(lambda: tensorflow_is_in(running), "TensorFlow")
    stop(running, whole_group=False)
    assert files_in(tmp_path) == left


def tensorflow_is_in(running: Running) -> bool:
    """Whether a child has begun to load TensorFlow's libraries."""
    for pid in descendants(running.process.pid):
        try:
            maps = Path(f"/proc/{pid}/maps").read_text()
        except OSError:
            continue
        if "tensorflow" in maps:
            return True
    return False
