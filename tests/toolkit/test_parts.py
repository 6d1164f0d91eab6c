"""What a bundle says of where it comes from."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from edgeq.config import BuildSpec
from edgeq.parts import provenance


def made_from(model: str) -> Any:
    reason = f"the litert engine could not: {model}: cannot quantize operator 1 (PRELU)"
    return SimpleNamespace(
        spec=BuildSpec(model=model),
        source=SimpleNamespace(kind="keras", digest="0" * 64, versions={"tensorflow": "2.21.0"}),
        model=SimpleNamespace(
            report=SimpleNamespace(engine="tflite-converter", reason=reason), calibration=None
        ),
    )


def test_the_folder_of_the_model_is_not_told() -> None:
    told = provenance(made_from("/home/ann/models/net.keras"))
    assert told["engine_reason"] == (
        "the litert engine could not: net.keras: cannot quantize operator 1 (PRELU)"
    )
    assert told["options"]["model"] == "net.keras"
    assert "/home" not in json.dumps(told)


def test_the_same_model_in_another_folder_is_told_the_same() -> None:
    assert provenance(made_from("/a/net.keras")) == provenance(made_from("net.keras"))
