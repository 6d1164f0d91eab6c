"""The one door to edgetpu_compiler: find it, run it, and believe only what its output proves."""

from __future__ import annotations

from edgeq.compiler.find import Compiler, find_compiler
from edgeq.compiler.output import MAPPED, OperatorRow
from edgeq.compiler.run import CompileOptions, CompileReport, compile_model

__all__ = [
    "MAPPED",
    "CompileOptions",
    "CompileReport",
    "Compiler",
    "OperatorRow",
    "compile_model",
    "find_compiler",
]
