"""Fixtures for all tests: the folder with real models and pictures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def coral() -> Path:
    """The folder of real models, their compiled twins and real pictures.

    ``$EDGEQ_CONFORMANCE`` names it; where it is missing the test is skipped with a reason,
    or fails when ``EDGEQ_REQUIRE_LANES=1``.
    """
    folder = Path(os.environ.get("EDGEQ_CONFORMANCE", ROOT.parent / "shared" / "coral"))
    if not (folder / "models").is_dir():
        reason = f"no conformance data in {folder}: set EDGEQ_CONFORMANCE"
        if os.environ.get("EDGEQ_REQUIRE_LANES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
