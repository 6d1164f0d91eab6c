"""A model in an interpreter, ready to run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq_device.errors import InputError, MissingTool
from edgeq_device.runtime.find import Runtime, find_runtime, install_command
from edgeq_device.runtime.quiet import quiet_build
from edgeq_device.runtime.trouble import explain
from edgeq_device.tensors import Array, TensorSpec


@dataclass(frozen=True)
class LoadOptions:
    """How to build the interpreter."""

    threads: int | None = None
    """CPU threads; None: as many as this process may use."""
    runtime: str | None = None
    """A name out of ``RUNTIMES``; None: the first one installed."""
    preserve_all: bool = False
    """Keep every intermediate tensor readable after a run: plain kernels, far more memory."""
    delegate: Any = None
    """A loaded Edge TPU delegate, which must come from ``edgeq_device.delegate``."""
    profile: bool = False
    """Each operator for itself, so that it can be observed (ai-edge-litert alone)."""


class LoadedModel:
    """One model in one interpreter; not safe for several threads at once.

    ``inputs`` and ``outputs`` are in the model's order, as ``run`` takes and returns them.
    ``interpreter`` is the runtime's own object.
    """

    def __init__(self, name: str, runtime: Runtime, interpreter: Any, threads: int) -> None:
        self.name = name
        self.runtime = runtime
        self.threads = threads
        self.interpreter = interpreter
        inputs = interpreter.get_input_details()
        outputs = interpreter.get_output_details()
        self.inputs = tuple(_spec(detail) for detail in inputs)
        self.outputs = tuple(_spec(detail) for detail in outputs)
        self._slots = tuple(
            (int(detail["index"]), spec.shape, np.dtype(detail["dtype"]))
            for detail, spec in zip(inputs, self.inputs)
        )
        self._results = tuple(int(detail["index"]) for detail in outputs)

    def run(self, *arrays: Array) -> tuple[Array, ...]:
        """One inference: an array per input, of exactly its dtype and shape -> a copy per output.

        State that a recurrent layer keeps is cleared first, so that an answer never depends on
        the inputs before it. InputError for a wrong array, ModelError where the interpreter fails.
        """
        interpreter = self.interpreter
        if len(arrays) != len(self._slots):
            raise self._wrong_count(len(arrays))
        for (index, shape, dtype), array in zip(self._slots, arrays):
            if array.shape != shape or array.dtype != dtype:
                raise self._wrong_array(index, array)
            interpreter.set_tensor(index, array)
        try:
            interpreter.reset_all_variables()
            interpreter.invoke()
        except (RuntimeError, ValueError, MemoryError) as error:
            raise explain(self.name, self.runtime, error) from error
        get = interpreter.get_tensor
        return tuple([get(index) for index in self._results])

    def tensor(self, index: int) -> Array:
        """A copy of tensor ``index`` as the last run left it (others need ``preserve_all``)."""
        return np.asarray(self.interpreter.get_tensor(index))

    def close(self) -> None:
        """Let go of the interpreter; needed before its delegate is let go, nowhere else."""
        self.interpreter = None

    def _wrong_count(self, count: int) -> InputError:
        return InputError(self.name, f"takes {len(self._slots)} input array(s), got {count}")

    def _wrong_array(self, index: int, array: Array) -> InputError:
        place = [slot[0] for slot in self._slots].index(index)
        spec = self.inputs[place]
        return InputError(
            self.name,
            f"input {spec.name!r} takes {spec.dtype} {list(spec.shape)}, "
            f"got {array.dtype} {list(array.shape)}",
        )


def load(model: bytes, *, name: str, options: LoadOptions | None = None) -> LoadedModel:
    """Build an interpreter for ``model`` and allocate its tensors.

    ``name`` stands for the model in errors. The interpreter does not check what it reads: parse a
    model with ``edgeq_device.tflite`` first, and ``probe`` one from a stranger.
    MissingTool without a runtime, ModelError where the interpreter refuses the model.
    """
    options = options or LoadOptions()
    runtime = find_runtime(options.runtime)
    threads = options.threads or _usable_cpus()
    arguments = _arguments(options, runtime, threads)
    module = runtime.module()
    try:
        with quiet_build():
            interpreter = module.Interpreter(model_content=bytes(model), **arguments)
            interpreter.allocate_tensors()
        return LoadedModel(name, runtime, interpreter, threads)
    except (RuntimeError, ValueError, MemoryError) as error:
        raise explain(name, runtime, error) from error


def _arguments(options: LoadOptions, runtime: Runtime, threads: int) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "num_threads": threads,
        "experimental_preserve_all_tensors": options.preserve_all,
    }
    if options.delegate is not None:
        arguments["experimental_delegates"] = [options.delegate]
    if options.preserve_all:  # a default delegate keeps its inner tensors to itself
        resolvers = runtime.module().OpResolverType
        arguments["experimental_op_resolver_type"] = resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    if options.profile:
        arguments.update(_profiling(runtime))
    return arguments


def _profiling(runtime: Runtime) -> dict[str, Any]:
    if runtime.name != "ai-edge-litert":
        hint = install_command("ai-edge-litert")
        raise MissingTool("ai-edge-litert", "observing each operator needs it", hint=hint)
    return {
        "experimental_op_resolver_type": runtime.module().OpResolverType.BUILTIN,
        "experimental_disable_delegate_node_fusion": True,
        "experimental_force_delegate_node_profiling": True,
    }


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _spec(detail: dict[str, Any]) -> TensorSpec:
    scale, zero_point = detail["quantization"]
    return TensorSpec(
        name=str(detail["name"]),
        shape=tuple(int(size) for size in detail["shape"]),
        dtype=np.dtype(detail["dtype"]).name,
        scale=float(scale),
        zero_point=int(zero_point),
    )
