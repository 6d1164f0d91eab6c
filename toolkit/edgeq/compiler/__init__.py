"""The one door to edgetpu_compiler: find it, run it, and believe only what its output proves."""

from __future__ import annotations

from edgeq.compiler.cache import default_folder
from edgeq.compiler.checking import Finding, check_doors
from edgeq.compiler.doors import Door, find_door, open_door
from edgeq.compiler.failures import is_unexplained, link_for
from edgeq.compiler.files import check_models, result_names
from edgeq.compiler.find import Compiler, find_compiler, read_version
from edgeq.compiler.options import CompileOptions
from edgeq.compiler.output import MAPPED, OperatorRow
from edgeq.compiler.report import CompileReport
from edgeq.compiler.run import (
    compile_model,
    compile_models,
    programs_of,
)
from edgeq.compiler.search import Stumble, find_stumble

__all__ = [
    "MAPPED",
    "CompileOptions",
    "CompileReport",
    "Compiler",
    "Door",
    "OperatorRow",
    "Finding",
    "check_doors",
    "Stumble",
    "check_models",
    "compile_model",
    "compile_models",
    "default_folder",
    "find_compiler",
    "find_door",
    "find_stumble",
    "is_unexplained",
    "link_for",
    "open_door",
    "programs_of",
    "read_version",
    "result_names",
]
