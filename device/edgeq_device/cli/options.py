"""The options that several commands share, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="a bundle, or a .tflite")]
BundleOnly = Annotated[Path, typer.Argument(metavar="BUNDLE", help="a bundle")]
Backend = Annotated[
    str, typer.Option("--backend", help="auto, cpu or edgetpu; auto says why it took the CPU")
]
Device = Annotated[
    Optional[str], typer.Option("--device", help="which Edge TPU: usb, pci, usb:0, pci:0, :0")
]
Threads = Annotated[Optional[int], typer.Option("--threads", help="CPU threads (all cores)")]
Runtime = Annotated[
    Optional[str], typer.Option("--runtime", help="ai-edge-litert or tflite-runtime")
]
Libedgetpu = Annotated[
    Optional[str], typer.Option("--libedgetpu", help="path of libedgetpu ($EDGEQ_LIBEDGETPU)")
]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="no narration on stderr")]


def examples(*lines: str) -> str:
    """The last paragraph of a command's help; the mark keeps its lines as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


Labels = Annotated[Optional[Path], typer.Option("--labels", help="a file with one label per line")]
Task = Annotated[Optional[str], typer.Option("--task", help="classify or raw (as the bundle says)")]
SaveDir = Annotated[
    Optional[Path], typer.Option("--save-dir", help="leave annotated pictures here")
]
