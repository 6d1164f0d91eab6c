"""TensorFlow's own converter, from a traced graph with batch 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from edgeq.model import operator_name, read
from edgeq.tensorflow_child.loading import Loaded, Port, last_line, trace
from edgeq.tensorflow_child.naming import rename
from edgeq_device.errors import ModelError

_CALIBRATED = ("float-fallback", "integer")

_LOOP_HINT = (
    "it runs a loop, as recurrent layers do: give the Keras model itself (.keras, .h5, or a "
    "function that returns it) with a fixed number of steps, and edgeq unrolls it"
)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Conversion:
    """One request: the mode, where the .tflite goes, samples (.npy) and affine maps per input."""

    mode: str
    output: str
    samples: tuple[str, ...] = ()
    affine: tuple[dict[str, list[float]] | None, ...] = ()


def convert(loaded: Loaded, conversion: Conversion, progress: Progress) -> dict[str, Any]:
    """Write the .tflite; the answer is its size in bytes."""
    graph = loaded.graph
    if any(conversion.affine):
        graph = trace(_with_affine(loaded, conversion.affine), loaded.inputs)
    data = None
    if conversion.mode in _CALIBRATED and _splits(graph):
        data = _convert_classic(loaded, conversion, graph, progress)
    if data is None:
        data = _convert(loaded, conversion, graph, progress)
    named = rename(
        data, [port.name for port in loaded.inputs], [port.name for port in loaded.outputs]
    )
    temporary = Path(f"{conversion.output}.part")
    temporary.write_bytes(named)
    temporary.replace(conversion.output)
    return {"bytes": len(named)}


def settle_outputs(loaded: Loaded) -> Loaded:
    """Learn open output sizes from the float .tflite; ModelError where they depend on values."""
    if not any(-1 in port.shape for port in loaded.outputs):
        return loaded
    float_model = Conversion("float", output="")
    model = read(_convert(loaded, float_model, loaded.graph, lambda *_: None))
    graph = model.subgraphs[0]
    outputs = []
    for port, index in zip(loaded.outputs, graph.outputs):
        tensor = graph.tensors[int(index)]
        if tensor.shapeSignature is not None and -1 in tensor.shapeSignature:
            raise ModelError(
                loaded.source,
                f"the size of output {port.name!r} depends on the values that go in",
                hint="do that step after the model and give edgeq the part before it",
            )
        outputs.append(replace(port, shape=tuple(int(size) for size in tensor.shape)))
    return replace(loaded, outputs=tuple(outputs))


def _convert(loaded: Loaded, conversion: Conversion, graph: Any, progress: Progress) -> bytes:
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph])
    _configure(converter, conversion, loaded.inputs, progress)
    try:
        return bytes(converter.convert())
    except Exception as error:
        reason = _reason(error)
        loop = "TensorList" in reason or "While" in reason
        raise ModelError(
            loaded.source,
            f"TensorFlow's converter refused it ({conversion.mode}): {reason}",
            hint=_LOOP_HINT if loop else "replace the operator that it names",
        ) from error


def _splits(graph: Any) -> bool:
    return any(operation.type in ("Split", "SplitV") for operation in graph.graph.get_operations())


def _convert_classic(
    loaded: Loaded, conversion: Conversion, graph: Any, progress: Progress
) -> bytes | None:
    """By TensorFlow's older quantizer; None where it cannot.

    The newer one gives other bytes, and other float leftovers, from run to run where an output
    of a SPLIT is not used, as in an unrolled LSTM. The older one writes PRELU wrongly.
    """
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph])
    _configure(converter, conversion, loaded.inputs, progress)
    converter.experimental_new_quantizer = False
    try:
        data = bytes(converter.convert())
    except Exception:
        return None
    model = read(data)
    names = {operator_name(model, one) for one in model.subgraphs[0].operators}
    return None if "PRELU" in names else data


def _with_affine(loaded: Loaded, affine: Sequence[dict[str, list[float]] | None]) -> Any:
    """The call with ``x * scale + offset`` (per channel, the last axis) before each input."""

    def call(tensors: Sequence[Any]) -> list[Any]:
        mapped = [
            tensor
            if map_ is None
            else tensor * tf.constant(map_["scale"], tensor.dtype)
            + tf.constant(map_["offset"], tensor.dtype)
            for tensor, map_ in zip(tensors, affine)
        ]
        return loaded.call(mapped)

    return call


def _configure(
    converter: Any, conversion: Conversion, inputs: Sequence[Port], progress: Progress
) -> None:
    if conversion.mode == "float":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    # Runtimes of TensorFlow 2.5 to 2.7 accept dense weights with a scale per channel and
    # compute rubbish; no accuracy is lost with one scale.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    if conversion.mode == "dynamic":
        return
    converter.representative_dataset = lambda: _samples(conversion.samples, inputs, progress)
    if conversion.mode == "integer":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8


def _samples(
    paths: Sequence[str], inputs: Sequence[Port], progress: Progress
) -> Iterator[list[Any]]:
    arrays = [np.load(path, mmap_mode="r") for path in paths]
    total = len(arrays[0])
    for number in range(total):
        yield [
            np.asarray(array[number], port.dtype).reshape(port.shape)
            for array, port in zip(arrays, inputs)
        ]
        progress("calibrate", number + 1, total)


def _reason(error: Exception) -> str:
    """The converter's own complaint: the line that says error, else the first."""
    for line in str(error).splitlines():
        if "error:" in line:
            return line.split("error:", 1)[1].strip()[:300]
    return last_line(error)
