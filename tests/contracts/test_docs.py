"""The documents say what is there: links, commands, options, versions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgeq.cli import make_app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")])
FORBIDDEN = ("/home/", "todo", "fixme")


def helps() -> dict[str, str]:
    runner = CliRunner()
    top = runner.invoke(make_app(), ["--help"]).output
    names = re.findall(r"^  ([a-z]+)  ", top.split("Commands:")[1], flags=re.MULTILINE)
    return {
        name: runner.invoke(make_app(), [name, "--help"], env={"COLUMNS": "200"}).output
        for name in names
    }


HELPS = helps()


def code_blocks(text: str) -> list[str]:
    return re.findall(r"^```[a-z]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands_in(text: str) -> list[tuple[str, str]]:
    """(verb, rest of the line) of each `edgeq VERB ...` in a page's code."""
    code = [*code_blocks(text), *re.findall(r"`([^`\n]+)`", text)]
    pattern = re.compile(r"^(?:\$ )?edgeq ([a-z]+)(.*)$", flags=re.MULTILINE)
    return [(match[1], match[2]) for piece in code for match in pattern.finditer(piece)]


def test_help_lists_the_verbs_that_work() -> None:
    assert set(HELPS) >= {
        *("build", "compare", "evaluate", "run", "benchmark", "info", "verify", "demo"),
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    missing = [
        link
        for link in links
        if not link.startswith(("http://", "https://")) and not (page.parent / link).exists()
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_documents_exist_with_their_options(page: Path) -> None:
    for verb, rest in commands_in(page.read_text("utf-8")):
        assert verb in HELPS, f"{page.name}: edgeq {verb}"
        for option in re.findall(r"(?<!\S)(--[a-z][a-z0-9-]*)", rest):
            assert option in HELPS[verb], f"{page.name}: edgeq {verb} has no {option}"


@pytest.mark.parametrize("verb", sorted(HELPS))
def test_each_help_ends_with_two_examples(verb: str) -> None:
    ending = HELPS[verb].rstrip().splitlines()[-2:]
    assert all(line.strip().startswith(("edgeq ", "cat ")) for line in ending), ending


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_project_speaks_of_itself_alone(page: Path) -> None:
    text = page.read_text("utf-8").lower()
    assert not [word for word in FORBIDDEN if word in text]


def test_one_version_everywhere() -> None:
    from edgeq_device import __version__

    declared = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert declared is not None
    assert declared.group(1) == __version__
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_files_and_functions_stay_small() -> None:
    import ast

    long = []
    for top in ("toolkit", "device"):
        for file in (ROOT / top).rglob("*.py"):
            text = file.read_text("utf-8")
            if len(text.splitlines()) > 300:
                long.append(f"{file.name}: {len(text.splitlines())} lines")
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    length = (node.end_lineno or node.lineno) - node.lineno + 1
                    if length > 40:
                        long.append(f"{file.name}: {node.name}: {length} lines")
    assert not long
