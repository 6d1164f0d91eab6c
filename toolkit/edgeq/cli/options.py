"""Options that mean the same in every command of the host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from edgeq_device.cli.options import Quiet as Quiet
from edgeq_device.cli.options import Runtime as Runtime
from edgeq_device.cli.options import Threads as Threads

Model = Annotated[
    Optional[str],
    typer.Argument(
        metavar="MODEL",
        help=".keras, .h5, a SavedModel folder, .tflite, or package.module:function",
    ),
]
Calibration = Annotated[
    Optional[str],
    typer.Option(
        "--calibration",
        metavar="DATA",
        help="pictures' folder, .npy, .npz or package.module:function",
    ),
]
Samples = Annotated[
    Optional[int], typer.Option("--samples", help="calibration samples at most (200)")
]
Seed = Annotated[Optional[int], typer.Option("--seed", help="which samples are chosen (0)")]
Preprocess = Annotated[
    Optional[list[str]],
    typer.Option(
        "--preprocess",
        metavar="SPEC",
        help='"[0,1]", "[-1,1]", imagenet, or mean=...,std=... in pixel units; '
        "INPUT:SPEC for one of several inputs",
    ),
]
Resize = Annotated[Optional[str], typer.Option("--resize", help="stretch, letterbox or crop")]
Resample = Annotated[Optional[str], typer.Option("--resample", help="lanczos, bilinear, ...")]
Color = Annotated[Optional[str], typer.Option("--color", help="rgb, bgr or gray")]
Engine = Annotated[
    Optional[str],
    typer.Option("--engine", help="auto (litert, else tflite-converter), or one of the two"),
]
Labels = Annotated[Optional[Path], typer.Option("--labels", help="text file, one label per line")]
Config = Annotated[
    Optional[Path], typer.Option("--config", help="an edgeq.toml; options win over it")
]
Force = Annotated[bool, typer.Option("--force", help="overwrite what exists")]
Json = Annotated[bool, typer.Option("--json", help="one JSON document on stdout")]
Data = Annotated[
    str,
    typer.Option("--data", metavar="TEST", help=".npz with x and y, or a folder per class"),
]
Picture = Annotated[Optional[Path], typer.Option("--picture", help="write a picture (PNG)")]
Output = Annotated[Optional[Path], typer.Option("-o", "--output", help="the bundle (MODEL.edgeq)")]
Mode = Annotated[
    Optional[str], typer.Option("--mode", help="integer, float-fallback, dynamic or float")
]
Task = Annotated[Optional[str], typer.Option("--task", help="auto, classify or raw")]
Activation = Annotated[
    Optional[str],
    typer.Option("--activation", help="still to be applied: auto, none, softmax, sigmoid"),
]
Uint8Ends = Annotated[
    Optional[bool],
    typer.Option("--uint8-ends", help="give an integer .tflite with int8 ends uint8 ones"),
]
Compiler = Annotated[
    Optional[str],
    typer.Option(
        "--compiler",
        help="edgetpu_compiler's path, docker, docker:IMAGE or ssh://user@host "
        "($EDGEQ_COMPILER, else PATH)",
    ),
]
CompileTimeout = Annotated[Optional[int], typer.Option("--compile-timeout", help="seconds (180)")]
MinRuntimeVersion = Annotated[
    Optional[int],
    typer.Option("--min-runtime-version", help="least Edge TPU runtime (14)"),
]
RequireCompiled = Annotated[
    Optional[bool],
    typer.Option("--require-compiled", help="exit 4 where there is no edgetpu_compiler"),
]
SaveModel = Annotated[
    Optional[Path], typer.Option("--save-model", help="also write the .tflite here")
]
SaveModels = Annotated[
    Optional[Path],
    typer.Option("--save-models", metavar="DIR", help="leave the four .tflite files here"),
]
Only = Annotated[
    Optional[list[str]],
    typer.Option("--only", metavar="NAME", help="only this rewrite; may be repeated"),
]
Skip = Annotated[
    Optional[list[str]],
    typer.Option("--skip", metavar="NAME", help="not this rewrite; may be repeated"),
]
Approximate = Annotated[
    Optional[bool],
    typer.Option("--approximate", help="also rewrites whose answers differ a little"),
]
