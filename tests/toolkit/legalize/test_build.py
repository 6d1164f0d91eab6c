"""What ``edgeq build`` refused before it legalized: constructs of today's converters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeq import pipeline
from edgeq.config import BuildSpec
from edgeq_device.errors import EdgeqError
from edgeq_device.tflite import parse_model
from tests.toolkit.legalize.running import ops, quantized, values
from tests.toolkit.legalize.test_activations import network
from tests.toolkit.legalize.test_grouped import grouped
from tests.toolkit.legalize.test_upsampling import upsampled


def built(data: bytes, folder: Path, *, approximate: bool = False) -> pipeline.BuildResult:
    model, samples = folder / "model.tflite", folder / "samples.npy"
    model.write_bytes(data)
    spec = parse_model(data, "m").input_specs()[0]
    if not spec.is_quantized:
        np.save(samples, np.concatenate([sample[0] for sample in values(data, 100)]))
    return pipeline.build(
        BuildSpec(
            str(model),
            calibration=None if spec.is_quantized else str(samples),
            output=folder / "model.edgeq",
            approximate=approximate,
        )
    )


@pytest.mark.parametrize(
    ("make", "made"),
    [
        (lambda: grouped(2), "SPLIT"),
        (lambda: grouped(1), "DEPTHWISE_CONV_2D"),
        (lambda: upsampled(2, 2), "RESIZE_NEAREST_NEIGHBOR"),
    ],
    ids=["grouped", "depthwise", "upsampling"],
)
def test_float_models_build(make: Callable[[], bytes], made: str, tmp_path: Path) -> None:
    result = built(make(), tmp_path)
    assert result.model.report.engine == "litert"
    assert made in {op for op, _ in ops(result.model.data)}
    agreement = result.model.report.agreement
    assert agreement is not None
    assert agreement.sqnr_db > 30
    assert any("(bit for bit)" in text for text in result.warnings)


def test_integer_models_build(tmp_path: Path) -> None:
    result = built(quantized(grouped(2)), tmp_path)
    assert "SPLIT" in {op for op, _ in ops(result.model.data)}


def test_gelu_needs_leave(tmp_path: Path) -> None:
    with pytest.raises(EdgeqError, match="GELU"):
        built(network("GELU"), tmp_path)
    result = built(network("GELU"), tmp_path, approximate=True)
    assert "LOGISTIC" in {op for op, _ in ops(result.model.data)}
    assert any("steps at most" in text for text in result.warnings)
    agreement = result.model.report.agreement
    assert agreement is not None
    assert agreement.sqnr_db > 25
