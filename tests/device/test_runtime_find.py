"""Which interpreter is taken, and what to install where there is none."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from edgeq_device.errors import ConfigError, MissingTool
from edgeq_device.runtime import (
    Runtime,
    find,
    find_runtime,
)
from edgeq_device.runtime.find import install_command
from tests.device.installed import HERE, each_runtime, needs_tflite

LITERT = 'pip install "ai-edge-litert>=2.1.6,<2.4"'


class TestFindRuntime:
    def test_prefers_ai_edge_litert(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("EDGEQ_RUNTIME", raising=False)
        assert find_runtime().name == HERE[0]

    @each_runtime
    def test_by_name_and_version(self, runtime: str) -> None:
        found = find_runtime(runtime)
        assert found == Runtime(runtime, importlib.metadata.version(runtime))
        assert str(found) == f"{runtime} {found.version}"

    @each_runtime
    def test_environment_chooses_where_no_option_does(
        self, runtime: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EDGEQ_RUNTIME", runtime)
        assert find_runtime().name == runtime
        monkeypatch.setenv("EDGEQ_RUNTIME", "tf.lite")
        with pytest.raises(ConfigError) as caught:
            find_runtime()
        assert str(caught.value) == (
            "$EDGEQ_RUNTIME is 'tf.lite', but must be ai-edge-litert or tflite-runtime"
        )
        assert find_runtime(runtime).name == runtime

    def test_missing_names_the_pip_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("EDGEQ_RUNTIME", raising=False)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(MissingTool) as caught:
            find_runtime()
        assert caught.value.exit_code == 4
        assert str(caught.value) == (
            "runtime: neither ai-edge-litert nor tflite-runtime is installed"
        )
        assert caught.value.hint == install_command()
        assert caught.value.hint.startswith("pip install ")

    @pytest.mark.parametrize(
        ("python", "machine", "name", "command"),
        [
            ((3, 9), "x86_64", None, 'pip install tflite-runtime "numpy<2"'),
            ((3, 11), "x86_64", None, LITERT),
            ((3, 11), "x86_64", "tflite-runtime", 'pip install tflite-runtime "numpy<2"'),
            ((3, 13), "aarch64", None, LITERT),
            ((3, 11), "armv7l", None, 'pip install tflite-runtime "numpy<2"'),
            ((3, 13), "armv7l", None, ""),
            ((3, 13), "x86_64", "tflite-runtime", ""),
            ((3, 9), "x86_64", "ai-edge-litert", ""),
        ],
    )
    def test_install_command(
        self,
        python: tuple[int, int],
        machine: str,
        name: str | None,
        command: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(find.sys, "version_info", (*python, 0, "final", 0))
        monkeypatch.setattr(find.sys, "platform", "linux")
        monkeypatch.setattr(find.platform, "machine", lambda: machine)
        assert install_command(name) == command

    @pytest.mark.parametrize(
        ("python", "name", "hint"),
        [
            (
                (3, 13),
                "tflite-runtime",
                "PyPI has no tflite-runtime for Python 3.13 on x86_64; "
                f"use the other runtime: {LITERT}",
            ),
            (
                (3, 9),
                "ai-edge-litert",
                "PyPI has no ai-edge-litert for Python 3.9 on x86_64; "
                'use the other runtime: pip install tflite-runtime "numpy<2"',
            ),
        ],
    )
    def test_the_other_runtime_is_named_where_one_has_no_package(
        self, python: tuple[int, int], name: str, hint: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        monkeypatch.setattr(find.sys, "version_info", (*python, 0, "final", 0))
        monkeypatch.setattr(find.sys, "platform", "linux")
        monkeypatch.setattr(find.platform, "machine", lambda: "x86_64")
        with pytest.raises(MissingTool) as caught:
            find_runtime(name)
        assert str(caught.value) == f"{name}: not installed"
        assert caught.value.hint == hint

    @needs_tflite
    def test_numpy_2_is_refused_before_tflite_runtime_is_imported(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code = (
            "import sys, numpy; numpy.__version__ = '2.1.0'\n"
            "from edgeq_device.errors import MissingTool\n"
            "from edgeq_device.runtime import find_runtime\n"
            "try: find_runtime('tflite-runtime')\n"
            "except MissingTool as error: print(error); print(error.hint)\n"
            "print('tflite_runtime.interpreter' in sys.modules)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        version = importlib.metadata.version("tflite-runtime")
        assert done.stdout.splitlines() == [
            f"tflite-runtime: version {version} does not work with numpy 2.1.0",
            'pip install "numpy<2"',
            "False",
        ]

    def test_broken_package_is_said_by_name(self, tmp_path: Path) -> None:
        package = tmp_path / "ai_edge_litert"
        package.mkdir()
        (package / "__init__.py").write_text("__version__ = '2.0.0'\n")
        (package / "interpreter.py").write_text("raise ImportError('GLIBC_2.99 not found')\n")
        code = (
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
            "from edgeq_device.errors import MissingTool\n"
            "from edgeq_device.runtime import find_runtime\n"
            "try: find_runtime('ai-edge-litert').module()\n"
            "except MissingTool as error: print(error); print(error.hint)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        sentence, hint = done.stdout.splitlines()
        assert sentence == (
            "ai-edge-litert: version 2.0.0 is installed but cannot be loaded: GLIBC_2.99 not found"
        )
        assert hint.endswith("or choose the other one with --runtime tflite-runtime")


def test_pip_command_agrees_with_the_package() -> None:
    pyproject = Path(__file__).resolve().parents[2] / "pyproject.toml"
    assert f'"{find.LITERT_REQUIREMENT}; python_version' in pyproject.read_text()
