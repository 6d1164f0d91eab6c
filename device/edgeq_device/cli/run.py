"""`edgeq run`: inputs in, results out, one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeq_device import console
from edgeq_device.cli import options as opt
from edgeq_device.cli.opening import opened

if TYPE_CHECKING:
    from edgeq_device.cli.pictures import PictureSaver
    from edgeq_device.runner import DecodeOptions, Result, Runner
    from edgeq_device.sources import Input

EXAMPLES = opt.examples(
    "edgeq run digits.edgeq nine.png",
    "edgeq run mobilenet.edgeq photos/ --top-k 3 --json > results.jsonl",
)


def run(
    bundle: opt.Bundle,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="pictures, folders, .npy, .npz, - for stdin"),
    ],
    backend: opt.Backend = "auto",
    device: opt.Device = None,
    threads: opt.Threads = None,
    runtime: opt.Runtime = None,
    libedgetpu: opt.Libedgetpu = None,
    task: opt.Task = None,
    top_k: Annotated[int, typer.Option("--top-k", help="how many classes to give")] = 5,
    labels: opt.Labels = None,
    save_dir: opt.SaveDir = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite pictures there")] = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Run BUNDLE on each INPUT and print what it says."""
    from edgeq_device.runner import DecodeOptions, RunnerOptions
    from edgeq_device.tasks import read_labels

    options = RunnerOptions(backend, device, threads, runtime, libedgetpu)
    decoding = DecodeOptions(task, top_k, read_labels(labels) if labels else None)
    with opened(bundle, options, quiet=quiet) as runner:
        saver = _saver(save_dir, runner, force=force)
        _warn(runner, decoding)
        _check(saver, inputs, task or runner.deployment.task)
        for each, result, milliseconds in _results(runner, inputs, decoding):
            picture = saver.save(each, result, milliseconds) if saver else None
            if as_json:
                console.result_json(_line(each, runner, result, milliseconds, picture))
            else:
                console.result(_text(each, result, milliseconds))
        if saver and not quiet:
            saver.tell()


def _warn(runner: Runner, decoding: DecodeOptions) -> None:
    _warn_of_unknown_task(runner, decoding)
    _warn_of_labels(runner, decoding)


def _results(
    runner: Runner, inputs: list[str], decoding: DecodeOptions
) -> Iterator[tuple[Input, Result, float]]:
    """Each input with its result and the milliseconds of the inference alone."""
    from edgeq_device.sources import Wanted, read_inputs

    infos = runner.deployment.inputs
    wanted = Wanted(tuple(info.spec for info in infos), tuple(info.preprocessing for info in infos))
    with closing(read_inputs(inputs, wanted)) as found:
        for each in found:
            arrays = runner.prepare(*each.arrays)
            started = time.perf_counter()
            outputs = runner.run(*arrays)
            milliseconds = 1000 * (time.perf_counter() - started)
            yield each, runner.decode(outputs, decoding), milliseconds


def _check(saver: PictureSaver | None, inputs: list[str], task: str) -> None:
    if saver and task == "classify":  # nothing is drawn for other results
        saver.check(inputs)


def _line(
    each: Input, runner: Runner, result: Result, milliseconds: float, picture: Path | None
) -> dict[str, Any]:
    line = {
        "schema": "edgeq.run/1",
        "kind": "result",
        "input": each.name,
        "backend": runner.backend,
        "fallback_reason": runner.fallback_reason,
        "milliseconds": round(milliseconds, 3),
        "result": result.as_dict(),
    }
    return {**line, "picture": str(picture)} if picture else line


def _text(each: Input, result: Result, milliseconds: float) -> str:
    from edgeq_device.tasks import Classification

    head = f"{each.name}  ({milliseconds:.1f} ms)"
    if isinstance(result, Classification):
        rows = [
            f"  {100 * found.score:5.1f} %  {found.label}"
            + (f"  [{found.index}]" if found.label != str(found.index) else "")
            for found in result.classes
        ]
        return "\n".join([head, *rows])
    import numpy as np

    rows = []
    for output in result.outputs:
        data = output.data
        numbers = np.array2string(data.reshape(-1), threshold=12, max_line_width=10**6)
        rows.append(f"  {output.name}  {data.dtype} {list(data.shape)}  {numbers}")
    return "\n".join([head, *rows])


def _warn_of_unknown_task(runner: Runner, decoding: DecodeOptions) -> None:
    from edgeq_device.tasks import TASKS

    task = runner.deployment.task
    if decoding.task is None and task not in TASKS:
        console.warn(f"this edgeq does not know the bundle's task {task!r}: it gives raw outputs")


def _warn_of_labels(runner: Runner, decoding: DecodeOptions) -> None:
    from edgeq_device.tasks import labels_doubt

    shape = runner.deployment.outputs[0].shape
    if (decoding.task or runner.deployment.task) == "classify" and shape:
        doubt = labels_doubt(len(decoding.labels or ()), shape[-1])
        if doubt:
            console.warn(doubt)


def _saver(folder: Path | None, runner: Runner, *, force: bool) -> PictureSaver | None:
    if folder is None:
        return None
    from edgeq_device.cli.pictures import PictureSaver

    made_by = f"{runner.runtime}" if runner.backend == "cpu" else "Edge TPU"
    return PictureSaver(folder, f"{runner.deployment.name} · {made_by}", force=force)
