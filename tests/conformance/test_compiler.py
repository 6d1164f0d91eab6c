"""Real models through the compiler's door; the stand-in returns what Google's compiler made."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from edgeq.compiler import CompileOptions, compile_model
from edgeq.config import build_spec
from edgeq.pipeline import build
from edgeq_device.bundle import open_bundle
from edgeq_device.tflite import parse_model

STAND_IN = Path(__file__).resolve().parent.parent / "fakes" / "edgetpu_compiler"

pytestmark = pytest.mark.conformance


@pytest.fixture(scope="module")
def pairs(coral: Path) -> list[dict[str, Any]]:
    facts = json.loads((coral / "pairs.json").read_text())
    return [pair for pair in facts["pairs"] if pair["kind"] == "direct"]


@pytest.fixture(autouse=True)
def stand_in_reads_the_same_data(coral: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEQ_CONFORMANCE", str(coral))
    monkeypatch.delenv("EDGEQ_FAKE_COMPILER", raising=False)
    monkeypatch.delenv("EDGEQ_FAKE_TWIN", raising=False)


def test_every_pair(coral: Path, pairs: list[dict[str, Any]]) -> None:
    assert len(pairs) == 11
    for pair in pairs:
        source, twin = coral / pair["source"]["file"], coral / pair["compiled"]["file"]
        report = compile_model(source, CompileOptions(compiler=STAND_IN))
        assert report.ok, source
        assert report.compiled == twin.read_bytes()
        assert report.input_sha256 == pair["source"]["sha256"]
        assert report.output_sha256 == pair["compiled"]["sha256"]
        assert report.operators == pair["n_source_ops"]
        assert report.mapped_operators == pair["n_ops_on_tpu"]
        assert sum(row.count for row in report.cpu_rows) == pair["n_ops_on_cpu"]
        assert sum(row.count for row in report.rows) == pair["n_source_ops"]
        assert report.subgraphs == pair["n_edgetpu_custom_ops"]
        cached = report.on_chip_bytes + report.off_chip_bytes
        assert report.figures == "file"
        assert cached == pair["parameter_bytes"]["total_in_package"]
        (custom,) = pair["custom_ops"]
        assert report.min_runtime_version == custom["package"]["min_runtime_version"]
        (program,) = report.programs
        assert [
            (one.type, one.parameter_bytes, one.instruction_bytes, f"{one.caching_token:016x}")
            for one in program.executables
        ] == [
            (
                one["type"],
                one["parameters_bytes"],
                sum(one["instruction_bitstreams_bytes"]),
                one["parameter_caching_token"],
            )
            for one in custom["executables"]
        ]


def test_every_table_names_the_operators_of_the_source(
    coral: Path, pairs: list[dict[str, Any]]
) -> None:
    for pair in pairs:
        source = coral / pair["source"]["file"]
        report = compile_model(source, CompileOptions(compiler=STAND_IN))
        (graph,) = parse_model(source.read_bytes(), source.name).subgraphs
        assert {row.op for row in report.rows} == {operator.op for operator in graph.operators}


def test_reasons_of_a_partly_mapped_model(coral: Path) -> None:
    source = coral / "models" / "test_data" / "deeplabv3_mnv2_dm05_pascal_quant.tflite"
    report = compile_model(source, CompileOptions(compiler=STAND_IN))
    assert {(row.op, row.count, row.status) for row in report.cpu_rows} == {
        (
            "RESIZE_BILINEAR",
            2,
            "Operation is otherwise supported, but not mapped due to some unspecified limitation",
        ),
        ("RESIZE_BILINEAR", 1, "More than one subgraph is not supported"),
        ("QUANTIZE", 1, "More than one subgraph is not supported"),
        ("CONCATENATION", 1, "More than one subgraph is not supported"),
        ("CONV_2D", 2, "More than one subgraph is not supported"),
        ("ARG_MAX", 1, "Operation is working on an unsupported data type"),
    }


def test_older_conversion_gets_its_own_twin(coral: Path) -> None:
    name = "mobilenet_v1_0.25_128_quant"
    for folder in ("test_data", "edgetpu"):
        source = coral / "models" / folder / f"{name}.tflite"
        report = compile_model(source, CompileOptions(compiler=STAND_IN))
        assert report.compiled == source.with_name(f"{name}_edgetpu.tflite").read_bytes()


def test_a_bundle_says_which_runtime_the_compiled_file_needs(
    coral: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through Docker's stand-in: the file itself says 12, though 14 was allowed."""
    source = coral / "models" / "edgetpu" / "mobilenet_v1_0.25_128_quant.tflite"
    (tmp_path / "images").mkdir()
    monkeypatch.setenv("EDGEQ_FAKE_CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("EDGEQ_FAKE_IMAGES", str(tmp_path / "images"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{STAND_IN.parent}:{os.environ['PATH']}")
    given = {"model": str(source), "compiler": "docker", "output": tmp_path / "out.edgeq"}
    build(build_spec(given, None))
    compiled = open_bundle(tmp_path / "out.edgeq").manifest.models.edgetpu
    assert compiled is not None
    assert (compiled.compiler_version, compiled.min_runtime_version) == ("16.0.384591198", 12)
