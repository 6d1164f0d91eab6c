"""What a compilation tells: lines for people, a document for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from edgeq.compiler import CompileReport, OperatorRow, Stumble, link_for
from edgeq.report.sizes import size
from edgeq_device.errors import CompileError

SCHEMA = "edgeq.compilation/1"


def compilation_json(reports: Sequence[CompileReport], paths: Sequence[str]) -> dict[str, Any]:
    """The document of ``edgeq compile --json``; keys are a contract, more may be added.

    The numbers at the top are sums over the files; ``models`` has each file's own.
    """
    first = reports[0]
    return {
        "schema": SCHEMA,
        "ok": True,
        "compiler_version": first.compiler_version,
        "rows": [row_json(row) for report in reports for row in report.rows],
        "on_chip_bytes": sum(report.on_chip_bytes for report in reports),
        "off_chip_bytes": sum(report.off_chip_bytes for report in reports),
        "subgraphs": sum(report.subgraphs for report in reports),
        "cause": "",
        "remedy": "",
        "link": "",
        "log": first.log,
        "unknown_lines": list(first.unknown_lines),
        "cached": first.cached,
        "renamed_tensors": dict(first.renamed_tensors),
        "models": [model_json(*pair) for pair in zip(reports, paths, strict=True)],
    }


def failure_json(error: CompileError, version: str, found: Stumble | None = None) -> dict[str, Any]:
    """The document where the compiler refused the model; ``found`` is what the search found."""
    return {
        "schema": SCHEMA,
        "ok": False,
        "compiler_version": version,
        "rows": [],
        "on_chip_bytes": 0,
        "off_chip_bytes": 0,
        "subgraphs": 0,
        "cause": str(error),
        "remedy": error.hint,
        "link": link_for(error.log),
        "log": error.log,
        "search": None if found is None else asdict(found),
    }


def model_json(report: CompileReport, path: str) -> dict[str, Any]:
    """One compiled file; bytes are the file's own where ``figures`` says so."""
    return {
        "file": path,
        "sha256": report.output_sha256,
        "source_sha256": report.input_sha256,
        "figures": report.figures,
        "on_chip_bytes": report.on_chip_bytes,
        "off_chip_bytes": report.off_chip_bytes,
        "min_runtime_version": report.min_runtime_version,
        "subgraphs": report.subgraphs,
        "operators": report.operators,
        "mapped_operators": report.mapped_operators,
        "executables": [
            {
                "type": executable.type,
                "parameter_bytes": executable.parameter_bytes,
                "instruction_bytes": executable.instruction_bytes,
            }
            for program in report.programs
            for executable in program.executables
        ],
        "rows": [row_json(row) for row in report.rows],
    }


def row_json(row: OperatorRow) -> dict[str, Any]:
    """One row of the compiler's table."""
    return {"op": row.op, "count": row.count, "status": row.status}


def compilation_lines(report: CompileReport) -> list[str]:
    """What people read of one compiled file."""
    source = "as the compiled file says" if report.programs else "as the compiler says, rounded"
    runtime = report.min_runtime_version
    needs = f", needs Edge TPU runtime {runtime}" if runtime else ""
    took = "kept from an earlier compilation" if report.cached else "compiled"
    lines = [
        f"{took} by edgetpu_compiler {report.compiler_version}{needs}",
        f"operators: {report.mapped_operators} of {report.operators} on the Edge TPU"
        f" in {report.subgraphs} part{'s' if report.subgraphs != 1 else ''}",
        f"parameters: {size(report.on_chip_bytes)} kept on the chip, "
        f"{size(report.off_chip_bytes)} sent at every inference ({source})",
    ]
    lines += [f"on the CPU: {row.op} ({row.count}): {row.status}" for row in report.cpu_rows]
    return lines
