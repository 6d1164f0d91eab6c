"""Calibration data as the options declare it, in the form that quantizing takes."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from edgeq.calibration import CalibrationOptions, CalibrationSet, load_calibration
from edgeq.config import BuildSpec
from edgeq.frontends import Source
from edgeq.quantize import InputSamples
from edgeq_device.closing import Closing
from edgeq_device.errors import ConfigError, ModelError
from edgeq_device.progress import Progress
from edgeq_device.runtime import Probe, probe
from edgeq_device.transforms import Preprocessing


def read_samples(spec: BuildSpec, source: Source, progress: Progress) -> CalibrationSet:
    """The calibration samples that the options name."""
    if spec.calibration is None:
        raise ConfigError(
            "--calibration",
            None,
            "a folder of pictures, a .npy, a .npz, or package.module:function",
            hint="100 to 200 pictures like those of the task are enough",
        )
    declared = tuple(spec.preprocessing_of(tensor.name) for tensor in source.inputs)
    options = CalibrationOptions(
        samples=spec.samples,
        seed=spec.seed,
        preprocessing=tuple(one or picture_reading(spec) for one in declared),
        threads=spec.threads,
    )
    found = load_calibration(spec.calibration, source.inputs, options, progress=progress)
    return replace(found, preprocessing=declared)


def for_source(spec: BuildSpec, source: Source) -> BuildSpec:
    """The spec with every "INPUT:..." under the name of the source's own tensor."""
    pairs = zip(source.inputs, source.input_aliases, strict=True)
    return spec.for_inputs([(tensor.name, *aliases) for tensor, aliases in pairs])


def refuse_unless_it_runs(spec: BuildSpec, probe: Probe) -> None:
    """ModelError for a float model that no interpreter here can run: it cannot be calibrated."""
    if not probe.runs:
        raise ModelError(spec.model, f"cannot be run: {probe.reason}", hint="give the Keras model")


class Trial(Closing):
    """A .tflite that is tried in a child process beside other work.

    Closing it, or leaving its ``with`` block, ends the child where nobody waits for it any more.
    """

    def __init__(self, model: Path) -> None:
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._pool = ThreadPoolExecutor(1)
        self._probe = self._pool.submit(probe, model, started=self._keep)

    def result(self) -> Probe:
        """Wait for the answer; raises what `edgeq_device.runtime.probe` raises."""
        return self._probe.result()

    def close(self) -> None:
        """End the child if it still runs; safe to call again."""
        self._closed = True
        if self._process is not None:
            self._process.kill()
        self._pool.shutdown()

    def _keep(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        if self._closed:
            process.kill()


def picture_reading(spec: BuildSpec) -> Preprocessing | None:
    """How pictures are read where no arithmetic is declared; None: as the default says."""
    return None if spec.picture_only == Preprocessing() else spec.picture_only


def input_samples(calibration: CalibrationSet) -> tuple[InputSamples, ...]:
    """The samples by input; raw pixels without a declaration go in as they are, 0 to 255."""
    return tuple(
        InputSamples(
            array=array,
            is_pixels=pixels,
            shape=spec.shape,
            preprocessing=declared or (Preprocessing() if pixels else None),
        )
        for array, pixels, spec, declared in zip(
            calibration.arrays,
            calibration.is_pixels,
            calibration.inputs,
            calibration.preprocessing,
            strict=True,
        )
    )
