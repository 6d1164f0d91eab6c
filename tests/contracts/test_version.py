"""The version stands in two places, which must agree."""

from __future__ import annotations

import re

from edgeq_device import __version__
from tests.conftest import ROOT


def test_the_package_and_its_metadata_have_one_version() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r'^version = "(.*)"$', text, re.MULTILINE) == [__version__]
