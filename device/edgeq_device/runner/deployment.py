"""What is to run: a bundle, or a bare .tflite of which only the file itself is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Union

from edgeq_device.bundle import Bundle, InputInfo, looks_like_bundle, open_bundle, refuse_keras
from edgeq_device.closing import Closing
from edgeq_device.errors import BundleError, ModelError, PathText
from edgeq_device.runtime import probe
from edgeq_device.tasks import guess_task
from edgeq_device.tensors import TensorSpec
from edgeq_device.tflite import parse_model, read_model

ModelBytes = Union[bytes, memoryview]


@dataclass(frozen=True)
class Deployment(Closing):
    """Models to choose from, and how to feed and read them; close it as a context manager.

    ``activation`` is what is still to be applied to the output; ``labels`` may be empty.
    """

    path: str
    name: str
    inputs: tuple[InputInfo, ...]
    outputs: tuple[TensorSpec, ...]
    task: str
    activation: str
    labels: tuple[str, ...] = ()
    bundle: Bundle | None = field(default=None, repr=False)
    bare: tuple[str, bytes] | None = field(default=None, repr=False)
    """A bare .tflite: the one backend that it runs on, and its bytes."""

    def close(self) -> None:
        """Close the bundle, where there is one."""
        if self.bundle:
            self.bundle.close()

    def has(self, backend: str) -> bool:
        """Whether there is a model for "cpu" or "edgetpu"."""
        if self.bundle:
            return backend == "cpu" or self.bundle.has_edgetpu
        return self.bare is not None and self.bare[0] == backend

    def model(self, backend: str) -> ModelBytes:
        """The bytes of that model, their digest and structure checked."""
        if self.bundle:
            data = self.bundle.model(backend)
            parse_model(data, f"{self.path}: the {backend} model")
            return data
        if self.bare is None or self.bare[0] != backend:
            raise ModelError(self.path, f"holds no model for the backend {backend}")
        return self.bare[1]

    def check_against(
        self, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
    ) -> None:
        """BundleError where a loaded model's inputs and outputs are not those declared."""
        declared = [_essence(info.spec) for info in self.inputs]
        if declared != [_essence(spec) for spec in inputs] or [
            spec.dtype for spec in self.outputs
        ] != [spec.dtype for spec in outputs]:
            problem = "its manifest does not describe the inputs and outputs of its model"
            raise BundleError(self.path, problem, hint="build the bundle again")


def open_deployment(path: PathText, *, runtime: str | None = None) -> Deployment:
    """Open a bundle, or a .tflite: checked, and unless compiled tried once in a child process.

    InputError, BundleError or ModelError where it cannot be used.
    """
    refuse_keras(path)
    if looks_like_bundle(path) or Path(path).suffix == ".edgeq":
        bundle = open_bundle(path)
        manifest = bundle.manifest
        return Deployment(
            path=str(path),
            name=manifest.name,
            inputs=manifest.inputs,
            outputs=manifest.outputs,
            task=manifest.task,
            activation=manifest.activation,
            labels=bundle.labels,
            bundle=bundle,
        )
    return _bare(Path(path), runtime)


def _bare(path: Path, runtime: str | None) -> Deployment:
    model = read_model(path)
    data = bytes(model.data)
    if not model.is_compiled:
        trial = probe(data, name=str(path), runtime=runtime)
        if not trial.runs:
            raise ModelError(path, trial.reason, hint="run a model whose operators a CPU knows")
    guess = guess_task(model)
    return Deployment(
        path=str(path),
        name=path.stem,
        inputs=tuple(InputInfo(spec) for spec in model.input_specs()),
        outputs=model.output_specs(),
        task=guess.task,
        activation=guess.activation,
        bare=("edgetpu" if model.is_compiled else "cpu", data),
    )


def _essence(spec: TensorSpec) -> tuple[object, ...]:
    return (spec.shape, spec.dtype, f"{spec.scale:.6g}", spec.zero_point)
