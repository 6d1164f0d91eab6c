"""Tables where stdout is no terminal."""

from __future__ import annotations

import pytest

from edgeq.console import WIDTH, print_table


@pytest.mark.parametrize(("columns", "longest"), [("60", 60), ("", WIDTH), ("wide", WIDTH)])
def test_a_table_obeys_columns_and_leaves_no_blanks(
    columns: str,
    longest: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    print_table("a title", ("name", "value"), [("x" * 200, "1"), ("short", "22")])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) in (longest - 1, longest - 2, longest)
    assert all(line == line.rstrip() for line in lines)
    assert lines[-1 if lines[-1] else -2].split() == ["short", "22"]
