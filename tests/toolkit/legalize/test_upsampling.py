"""Repeating rows and columns by TILE becomes a nearest resize, and other tilings stay."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.legalize import legalize
from tests.toolkit.legalize.running import assert_same_answers, ops, quantized
from tests.toolkit.networks import Network


def tile(net: Network, source: int, multiples: list[int], name: str) -> int:
    wanted = net.constant(f"{name}/multiples", np.asarray(multiples, np.int32))
    sizes = np.multiply(net.shape(source), multiples)
    return net.op("TILE", [source, wanted], (name, tuple(map(int, sizes))))


def upsampled(rows: int, columns: int, *, wrong: bool = False) -> bytes:
    """Converters' way: insert an axis, tile it, merge it, once for rows and once for columns."""
    net = Network()
    start = net.conv(net.input("x", (1, 5, 6, 3)), 4, "start")
    place = 1 if wrong else 2
    split = net.reshape(start, (1, 5, 1, 6, 4) if not wrong else (1, 1, 5, 6, 4), "split")
    multiples = [1, 1, 1, 1, 1]
    multiples[place] = rows
    tiled = tile(net, split, multiples, "rows")
    merged = net.reshape(tiled, (1, 5 * rows, 6, 4), "merged")
    again = net.reshape(merged, (1, 5 * rows, 6, 1, 4), "again")
    wide = tile(net, again, [1, 1, 1, columns, 1], "columns")
    large = net.reshape(wide, (1, 5 * rows, 6 * columns, 4), "large")
    return net.build(net.conv(large, 2, "end"))


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (3, 2), (1, 4)])
def test_an_integer_one_becomes_one_resize(rows: int, columns: int) -> None:
    before = quantized(upsampled(rows, columns))
    assert ("TILE", 3) in ops(before)
    after, report = legalize(before)
    middle = [("CONV_2D", 3), ("RESIZE_NEAREST_NEIGHBOR", 2), ("CONV_2D", 3)]
    assert ops(after)[1:-1] == middle
    assert [(one.name, one.is_exact) for one in report.rewrites] == [("nearest-upsampling", True)]
    assert_same_answers(before, after)


def test_a_float_one_becomes_one_resize() -> None:
    before = upsampled(2, 2)
    after, _ = legalize(before)
    assert [op for op, _ in ops(after)] == ["CONV_2D", "RESIZE_NEAREST_NEIGHBOR", "CONV_2D"]
    assert_same_answers(before, after)


def test_tiling_the_whole_picture_is_no_upsampling_of_rows() -> None:
    before = upsampled(2, 2, wrong=True)
    after, _ = legalize(before)
    stays = ["CONV_2D", "RESHAPE", "TILE", "RESHAPE"]
    assert [op for op, _ in ops(after)] == [*stays, "RESIZE_NEAREST_NEIGHBOR", "CONV_2D"]
    assert_same_answers(before, after)


def test_a_result_that_is_used_elsewhere_stays() -> None:
    net = Network()
    start = net.conv(net.input("x", (1, 4, 4, 3)), 4, "start")
    tiled = tile(net, net.reshape(start, (1, 4, 1, 4, 4), "split"), [1, 1, 2, 1, 1], "rows")
    large = net.reshape(tiled, (1, 8, 4, 4), "large")
    before = net.build(net.conv(large, 2, "end"), tiled)
    after, report = legalize(before)
    assert after == before
    assert report.rewrites == ()
