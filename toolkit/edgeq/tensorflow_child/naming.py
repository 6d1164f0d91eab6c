"""Give a converted model the users' names back: the frozen route loses them."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.model import read, tensor_name, write


def rename(data: bytes, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """The same .tflite with these names at its inputs and outputs, by position.

    A tensor inside that has one of the names gets ``/inner`` behind it, so that names stay
    unique: calibration keys ranges by name. A tensor that stands in several places keeps the
    name of the first, inputs before outputs.
    """
    model = read(data)
    graph = model.subgraphs[0]
    wanted: dict[int, str] = {}
    for index, name in [*zip(graph.inputs, inputs), *zip(graph.outputs, outputs)]:
        wanted.setdefault(int(index), name)
    taken = set(wanted.values())
    for number, tensor in enumerate(graph.tensors):
        if number in wanted:
            tensor.name = wanted[number]
        elif tensor_name(tensor) in taken:
            tensor.name = f"{tensor_name(tensor)}/inner"
    return write(model)
