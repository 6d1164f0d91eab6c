"""Damages models on purpose, the same way for the same seed, and reads what comes out."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from edgeq_device.errors import ModelError
from edgeq_device.tflite import Model, parse_model
from tests.device.factories import (
    branching_model,
    conv_classifier,
    custom_op_model,
    dense_model,
    float_dense_model,
    quantize_model,
    sparse_model,
)

NUMBERS = (0, 1, 2, 3, 5, 8, 16, 100, 2**16, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)


def small_models() -> dict[str, bytes]:
    """The models that mutations start from, by name."""
    factories = (
        quantize_model,
        dense_model,
        float_dense_model,
        conv_classifier,
        branching_model,
        sparse_model,
        custom_op_model,
    )
    return {factory.__name__: factory() for factory in factories}


def mutate(data: bytes, random: Random) -> bytes:
    """One to four changes: flipped bits, odd numbers, moved pieces; now and then cut short."""
    damaged = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        change = random.choice((_flip, _flip, _number, _nudge, _splice))
        change(damaged, random)
    if random.random() < 0.05:
        del damaged[random.randrange(len(damaged)) :]
    return bytes(damaged)


def read_all(data: bytes) -> bool:
    """Read a model and everything in it; False where it is refused, as it should be if at all."""
    try:
        model = parse_model(data, "damaged.tflite")
        _touch(model)
    except ModelError as error:
        if not (error.sentence.startswith("damaged.tflite: ") and error.hint):
            raise AssertionError(f"no file or no hint: {error}") from error
        return False
    return True


def mutants(count: int, seed: int) -> Iterator[bytes]:
    """Damaged copies of the small models."""
    random = Random(seed)
    models = tuple(small_models().values())
    for _ in range(count):
        yield mutate(random.choice(models), random)


def _touch(model: Model) -> None:
    specs = (*model.input_specs(), *model.output_specs())
    assert all(isinstance(spec.scale, float) for spec in specs)
    assert model.dynamic_tensors is not None
    for graph in model.subgraphs:
        for operator in graph.operators:
            if operator.options is not None and operator.builtin_options_type:
                operator.options.scalar(0, "b")
        for tensor in graph.tensors:
            if not tensor.is_sparse:
                constant = model.constant(tensor)
                assert constant is None or constant.shape == tensor.shape


def _flip(data: bytearray, random: Random) -> None:
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _number(data: bytearray, random: Random) -> None:
    place = random.randrange(len(data) // 4) * 4
    data[place : place + 4] = random.choice(NUMBERS).to_bytes(4, "little")


def _nudge(data: bytearray, random: Random) -> None:
    place = random.randrange(len(data) // 4) * 4
    number = int.from_bytes(data[place : place + 4], "little")
    number = (number + random.choice((-4, -2, -1, 1, 2, 4))) % 2**32
    data[place : place + 4] = number.to_bytes(4, "little")


def _splice(data: bytearray, random: Random) -> None:
    length = random.choice((4, 4, 8, 16, 64))
    source, target = (random.randrange(len(data) // 4) * 4 for _ in range(2))
    piece = data[source : source + length]
    data[target : target + len(piece)] = piece
