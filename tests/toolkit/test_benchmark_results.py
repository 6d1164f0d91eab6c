"""The table of the benchmarks: what it computes from the runs, and which targets are missed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.results import figures


def runs(*pairs: tuple[float, float]) -> dict[str, Any]:
    """A comparison's document; each pair has the seconds of both sides."""
    sides = {
        side: [{"seconds": pair[place], "rest_mb": 100.0 * (1 + 4 * place)} for pair in pairs]
        for place, side in enumerate("ab")
    }
    ratios = sorted(b / a for a, b in pairs)
    return {"runs": sides, "seconds_ratio": ratios[len(ratios) // 2], "memory_ratio": 5.0}


def write(folder: Path, **documents: Any) -> None:
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))


def test_ratios_and_memory_are_held_to_their_targets(tmp_path: Path) -> None:
    build = runs((1.0, 8.0), (2.0, 13.0), (1.0, 7.5))
    write(tmp_path, build_mobilenet_v2_tflite=build, run=runs((2.0, 2.9)), evaluate_1=runs((2, 3)))
    found = {one.what: one for one in figures(tmp_path)}
    speed = found["build MobileNetV2 from a .tflite"]
    assert (speed.edgeq, speed.other, speed.result, speed.met) == (
        "1.00 s",
        "8.00 s",
        "7.50x",
        True,
    )
    memory = found["build MobileNetV2 from a .tflite, peak memory"]
    assert (memory.edgeq, memory.other, memory.result, memory.met) == (
        "100 MB",
        "500 MB",
        "5.00x",
        True,
    )
    assert not found["run on 500 JPEGs"].met
    assert (found["evaluate 125,000 digits, threads: 1"].target, len(found)) == ("", 4)


@pytest.mark.parametrize(
    ("share", "decibels", "met"),
    [(0.97, 19.0, (True, True)), (0.95, 18.5, (False, False)), (0.955, 18.71, (True, True))],
)
def test_closeness_is_compared_with_the_guide(
    tmp_path: Path, share: float, decibels: float, met: tuple[bool, bool]
) -> None:
    ours = {"share": share, "sqnr_db": decibels}
    document = {
        "efficientnet_lite0_edgeq": ours,
        "efficientnet_lite0_guide": {"share": 0.975, "sqnr_db": 19.0},
    }
    write(tmp_path, agreement_efficientnet_lite0=document)
    found = tuple(figures(tmp_path))
    assert tuple(one.met for one in found) == met
    assert found[0].result == f"{100 * (share - 0.975):+.1f} points"


def test_starts_are_differences(tmp_path: Path) -> None:
    write(
        tmp_path,
        one_picture=runs((0.35, 0.15), (0.41, 0.2), (0.5, 0.2)),
        help=runs((0.31, 0.02)),
        overhead={"bare": 9.0, "runner": 2.04, "with_decoding": 16.0},
    )
    picture, start, inference = figures(tmp_path)
    assert (picture.result, picture.met) == ("+0.21 s", True)
    assert (start.edgeq, start.met) == ("0.31 s", False)
    assert (inference.result, inference.met) == ("+2.0 µs", True)
