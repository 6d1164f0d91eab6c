"""The TensorFlow process: it may die, hang or be interrupted, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgeq.frontends import TensorFlowChild, open_source
from edgeq_device.errors import ModelError
from tests.toolkit.opened import failure

pytestmark = pytest.mark.tensorflow


def test_the_process_may_die_and_the_next_request_starts_another(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    error = failure("user_models:crashes", tensorflow_child)
    assert str(error).startswith(
        "user_models:crashes: TensorFlow died (signal SIGABRT) while it read the model"
    )
    assert error.hint == "load it in Python to see what crashes"
    with open_source("user_models:loop", child=tensorflow_child) as source:
        samples = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(np.float32)
        with pytest.raises(ModelError) as caught:
            source.convert("integer", [samples])
        assert "TensorFlow died (signal SIG" in str(caught.value)
        assert str(caught.value).endswith("while it converted the model (integer)")
        assert caught.value.hint == (
            "its converter crashes on something in the model, such as the loop of a recurrent "
            "layer: give the Keras model itself, whose loops edgeq unrolls"
        )
        assert len(source.convert("float")) == len(source.float_model())


def test_a_hanging_function_is_ended_with_all_it_started(here: Path) -> None:
    with TensorFlowChild(timeout=60) as child:
        open_source("user_models:cnn", child=child).close()
        child._timeout = 5
        with pytest.raises(ModelError) as caught:
            open_source("user_models:hangs", child=child)
        assert str(caught.value) == (
            "user_models:hangs: TensorFlow did not finish within 5 s while it read the model"
        )
        folder = child.folder
    sleeper = int(Path("sleeper.pid").read_text(encoding="utf-8"))
    deadline = time.monotonic() + 10
    while is_running(sleeper) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(sleeper)
    assert not folder.exists()


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    return state != "Z"


def test_the_same_source_gives_the_same_bytes_in_another_process(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    train = np.load("digits.npz")["train"]
    modes = ("float", "dynamic", "float-fallback", "integer")
    shared = open_source("digits.keras", child=tensorflow_child)
    with open_source("digits.keras") as own:
        for mode in modes:
            assert own.convert(mode, [train]) == shared.convert(mode, [train]), mode
        assert own.digest == shared.digest
        process = own._child._process.pid  # type: ignore[attr-defined]
    assert not is_running(process)


def test_ctrl_c_ends_the_process(here: Path, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from edgeq.frontends import TensorFlowChild, open_source\n"
        "with TensorFlowChild() as child:\n"
        "    print(child._process.pid, child.folder, flush=True)\n"
        "    open_source('user_models:hangs', child=child)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    process, folder = parent.stdout.readline().split()
    parent.send_signal(signal.SIGINT)
    parent.wait(30)
    parent.stdout.close()
    assert not is_running(int(process))
    assert not Path(folder).exists()
