""".tflite files: float ones to quantize, and integer ones as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeq.frontends.digests import file_digest
from edgeq.frontends.source import AffineMap, Source
from edgeq.static import make_static
from edgeq_device.errors import ModelError
from edgeq_device.progress import Progress, silent
from edgeq_device.tensors import Array
from edgeq_device.tflite import Model, Operator, parse_model, read_model

_NOT_COMPUTING = ("QUANTIZE", "DEQUANTIZE", "CAST", "GATHER", "RESHAPE", "EMBEDDING_LOOKUP")


def open_tflite(source: str) -> Source:
    """A .tflite file with its batch made 1; its bytes stay as they are where it was static."""
    return TfliteSource(source)


class TfliteSource(Source):
    """A .tflite file: TensorFlow cannot work from it, the litert engine can."""

    kind = "tflite"

    def __init__(self, source: str) -> None:
        self.name = source
        self._path = Path(source)
        original = read_model(self._path)
        if original.is_compiled:
            hint = "give the .tflite that it was compiled from; edgeq run runs this one"
            raise ModelError(source, "is already compiled for the Edge TPU", hint=hint)
        self._data = make_static(bytes(original.data), source)
        self._model = parse_model(self._data, source)
        self.inputs = self._model.input_specs()
        self.outputs = self._model.output_specs()
        self.input_aliases = _aliases(self._model)
        self.is_integer = _computes_with_integers(self._model)
        self._digest = file_digest(self._path)
        if self._data != original.data:
            self.notes = ("made the batch 1 and computed its shapes ahead",)

    @property
    def digest(self) -> str:
        """sha256 of the file as it was given."""
        return self._digest

    def float_model(self) -> bytes:
        """The float .tflite with static batch 1."""
        if self.is_integer:
            raise ModelError(
                self.name, "computes with integers already", hint="give the float model"
            )
        self._refuse_dynamic_range()
        return self._data

    def integer_model(self) -> bytes:
        """The integer .tflite: the file's own bytes where its batch was static."""
        if not self.is_integer:
            raise ModelError(self.name, "is no integer model", hint="quantize it first")
        return self._data

    def convert(
        self,
        mode: str,
        samples: Sequence[Array] | None = None,
        affine: Sequence[AffineMap | None] | None = None,
        *,
        progress: Progress = silent,
    ) -> bytes:
        """Refuse: TensorFlow's converter starts from what TensorFlow can read."""
        raise ModelError(
            self.name,
            f"TensorFlow's converter cannot start from a .tflite file, so there is no {mode} "
            "conversion of it by tflite-converter",
            hint="give the Keras model (.keras, .h5), a SavedModel folder or a function",
        )

    def _refuse_dynamic_range(self) -> None:
        graph = self._model.main
        for operator in graph.operators:
            if operator.op in _NOT_COMPUTING or not _is_hybrid(self._model, operator):
                continue
            raise ModelError(
                self.name,
                f"{operator.label} (operator {operator.index}) has integer weights but float "
                "activations: it was quantized to dynamic range, which cannot be undone",
                hint="give the float model that it was made from",
            )


def _aliases(model: Model) -> tuple[tuple[str, ...], ...]:
    names: list[list[str]] = [[] for _ in model.main.inputs]
    for signature in model.signatures:
        for name, tensor in signature.inputs:
            if signature.subgraph == 0 and tensor in model.main.inputs:
                names[model.main.inputs.index(tensor)].append(name)
    for found, spec in zip(names, model.input_specs()):
        plain = spec.name.removeprefix("serving_default_").split(":")[0]
        if plain != spec.name:
            found.append(plain)
    return tuple(tuple(dict.fromkeys(found)) for found in names)


def _computes_with_integers(model: Model) -> bool:
    """True where an operator that computes writes a tensor of integers with a scale."""
    graph = model.main
    for operator in graph.operators:
        if operator.op in _NOT_COMPUTING:
            continue
        for index in operator.outputs:
            tensor = graph.tensors[index]
            quantized = tensor.dtype in ("int8", "uint8", "int16") and tensor.quantization.scales
            if quantized:
                return True
    return False


def _is_hybrid(model: Model, operator: Operator) -> bool:
    tensors = model.main.tensors
    present = [tensors[index] for index in operator.inputs if index >= 0]
    weights = [t for t in present if t.quantization.scales and model.is_constant(t)]
    floats = [t for t in present if t.dtype == "float32" and not model.is_constant(t)]
    return bool(weights and floats)
