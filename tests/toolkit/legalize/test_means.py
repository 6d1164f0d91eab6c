"""MEAN over a large map in slices: at most a step from the whole one."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.legalize import LegalizeSpec, legalize
from edgeq_device.runtime import load
from tests.toolkit.legalize.running import ops, quantized, values
from tests.toolkit.networks import Network

APPROXIMATE = LegalizeSpec(approximate=True)


def network(rows: int, columns: int) -> bytes:
    net = Network()
    return net.build(net.mean(net.input("x", (1, rows, columns, 3))))


@pytest.mark.parametrize(("rows", "slices"), [(256, 4), (300, 5)])
def test_it_is_split_by_rows(rows: int, slices: int) -> None:
    before = quantized(network(rows, 128))
    assert legalize(before)[0] == before
    after, report = legalize(before, values(before, 5), APPROXIMATE)
    made = ["SPLIT", *["MEAN"] * slices, "CONCATENATION", "MEAN"]
    assert [op for op, _ in ops(after)] == ["QUANTIZE", *made, "QUANTIZE"]
    assert report.rewrites[0].name == "large-means"
    assert report.rewrites[0].max_steps <= 1
    old, new = load(before, name="before"), load(after, name="after")
    for sample in values(before, 5, seed=9):
        (wanted,), (got,) = old.run(*sample), new.run(*sample)
        assert np.abs(wanted.astype(int) - got.astype(int)).max() <= 1


@pytest.mark.parametrize(("rows", "columns"), [(64, 64), (257, 128)])
def test_small_maps_and_rows_that_cannot_be_shared_out_stay(rows: int, columns: int) -> None:
    before = quantized(network(rows, columns))
    after, _ = legalize(before, (), APPROXIMATE)
    assert after == before
