"""Which runtimes this Python has, for tests that run in each of them."""

from __future__ import annotations

import importlib.util

import pytest

from edgeq_device.runtime import RUNTIMES

HERE = [name for name in RUNTIMES if importlib.util.find_spec(name.replace("-", "_"))]
"""The names of the runtimes that are installed."""

needs_litert = pytest.mark.skipif(RUNTIMES[0] not in HERE, reason="no ai-edge-litert here")
needs_tflite = pytest.mark.skipif(RUNTIMES[1] not in HERE, reason="no tflite-runtime here")
each_runtime = pytest.mark.parametrize("runtime", HERE)
