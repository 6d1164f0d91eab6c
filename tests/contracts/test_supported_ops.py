"""docs/supported-ops.md says what the rules say."""

from __future__ import annotations

from pathlib import Path

from edgeq.ops.page import supported_ops_page
from edgeq.ops.rules import all_rules

PAGE = Path(__file__).resolve().parents[2] / "docs" / "supported-ops.md"


def test_the_page_is_fresh() -> None:
    said = PAGE.read_text("utf-8")
    assert said == supported_ops_page(), "run scripts/write-supported-ops"


def test_the_page_holds_every_rule() -> None:
    page = PAGE.read_text("utf-8")
    assert [rule.name for rule in all_rules() if f"`{rule.name}`" not in page] == []
    assert [rule.name for rule in all_rules() if rule.sentence not in page] == []
