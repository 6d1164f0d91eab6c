"""Samples from a user's function, which runs in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from edgeq_device.errors import CalibrationError
from edgeq_device.sources import as_samples, open_arrays
from edgeq_device.tensors import Array, TensorSpec


def run_function(source: str, inputs: tuple[TensorSpec, ...], samples: int) -> tuple[Array, ...]:
    """At most ``samples`` samples from "package.module:function", one array [N, ...] per input.

    The function is looked for in the current folder first; what it prints goes to stderr.
    CalibrationError with the last line of what it raised, and where.
    """
    request = {
        "source": source,
        "samples": samples,
        "inputs": [[spec.name, spec.shape, spec.dtype, spec.scale] for spec in inputs],
    }
    with TemporaryDirectory(prefix="edgeq-calibration-") as name:
        folder = Path(name)
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        command = [sys.executable, "-m", "edgeq.calibration_child", str(folder)]
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
        problem = folder / "problem.json"
        if problem.exists():
            facts = json.loads(problem.read_text(encoding="utf-8"))
            raise CalibrationError(source, facts["problem"], hint=facts["hint"])
        result = folder / "samples.npz"
        if ended != 0 or not result.exists():
            raise CalibrationError(
                source,
                f"the function's process ended without samples (exit code {ended})",
                hint="call the function by itself to see why; it must not end the process",
            )
        arrays = open_arrays(result, source)
        found = [as_samples(arrays[str(index)], spec) for index, spec in enumerate(inputs)]
        return tuple(each.take(range(each.shape[0])) for each in found)
