"""The runner: prepare, run, decode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

from edgeq_device.closing import Closing
from edgeq_device.errors import ConfigError, InputError, ModelError
from edgeq_device.runner.backends import Choice, RunnerOptions, choose
from edgeq_device.runner.deployment import Deployment
from edgeq_device.runner.feeding import feeder
from edgeq_device.runtime import Runtime
from edgeq_device.tasks import TASKS, Classification, RawOutputs, classify, raw
from edgeq_device.tasks.classify import ClassifyOptions
from edgeq_device.tensors import Array

Result = Union[Classification, RawOutputs]


@dataclass(frozen=True)
class DecodeOptions:
    """How to read the outputs; None takes what the bundle declares."""

    task: str | None = None
    top_k: int = 5
    labels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.task is not None and self.task not in TASKS:
            hint = "left out, it is the bundle's own"
            raise ConfigError("--task", self.task, " or ".join(TASKS), hint=hint)
        if self.top_k < 1:
            raise ConfigError("--top-k", self.top_k, "at least 1", hint="left out, it is 5")


_AS_DECLARED = DecodeOptions()


class Runner(Closing):
    """One model, loaded on the backend that was chosen; not for several threads at once.

    ``backend`` is "cpu" or "edgetpu"; ``fallback_reason`` says why "auto" is not on the Edge TPU.
    """

    def __init__(self, deployment: Deployment, options: RunnerOptions | None = None) -> None:
        choice = choose(deployment, options or RunnerOptions())
        self._choice: Choice | None = choice
        self.deployment = deployment
        self.backend: str = choice.backend
        self.fallback_reason: str | None = choice.fallback_reason
        self.model = choice.model
        deployment.check_against(self.model.inputs, self.model.outputs)
        self._feeders = tuple(feeder(info) for info in deployment.inputs)
        self._run = self.model.run

    def close(self) -> None:
        """Let go of the model and then of the Edge TPU; the deployment stays open."""
        self.model.close()
        self._choice = None

    @property
    def runtime(self) -> Runtime:
        """The interpreter package that runs it."""
        return self.model.runtime

    def prepare(self, *arrays: Array) -> tuple[Array, ...]:
        """Pixels (uint8) or model values (floats), one array per input -> what `run` takes."""
        if len(arrays) != len(self._feeders):
            count = len(self._feeders)
            problem = f"takes {count} input array(s), got {len(arrays)}"
            raise InputError(self.deployment.path, problem, hint="give one array per input")
        return tuple([feed(array) for feed, array in zip(self._feeders, arrays)])

    def run(self, *arrays: Array) -> tuple[Array, ...]:
        """One inference on prepared arrays -> the outputs as the model gives them, copied."""
        return self._run(*arrays)

    def decode(self, outputs: Sequence[Array], options: DecodeOptions | None = None) -> Result:
        """Outputs -> the result of the task; one that this edgeq does not know gives raw ones."""
        options = options or _AS_DECLARED
        deployment = self.deployment
        if (options.task or deployment.task) != "classify":
            return raw(outputs, deployment.outputs)
        spec = deployment.outputs[0]
        if spec.shape[-1:] != (math.prod(spec.shape),):
            shapes = [list(output.shape) for output in deployment.outputs]
            problem = f"has outputs {shapes}, but classes need one of [1, classes]"
            raise ModelError(deployment.path, problem, hint="--task raw")
        labels = deployment.labels if options.labels is None else options.labels
        chosen = ClassifyOptions(deployment.activation, labels, options.top_k)
        return classify(outputs[0], spec, chosen)
