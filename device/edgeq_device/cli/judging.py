"""`edgeq benchmark`, `edgeq info` and `edgeq verify`: what a bundle is worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeq_device import console
from edgeq_device.cli import options as opt
from edgeq_device.cli.opening import opened

if TYPE_CHECKING:
    from edgeq_device.runner import RunnerOptions, VerifyReport

BENCHMARK_EXAMPLES = opt.examples(
    "edgeq benchmark mobilenet.edgeq",
    "edgeq benchmark mobilenet.edgeq --backend cpu --threads 1 --runs 1000 --json",
)
INFO_EXAMPLES = opt.examples(
    "edgeq info mobilenet.edgeq",
    "edgeq info mobilenet.edgeq --json | jq .manifest.inputs",
)
VERIFY_EXAMPLES = opt.examples(
    "edgeq verify mobilenet.edgeq",
    "edgeq verify mobilenet.edgeq --backend edgetpu",
)


def benchmark(
    bundle: opt.Bundle,
    runs: Annotated[int, typer.Option("--runs", help="inferences to measure")] = 200,
    warmup: Annotated[int, typer.Option("--warmup", help="inferences before them")] = 20,
    backend: opt.Backend = "auto",
    device: opt.Device = None,
    threads: opt.Threads = None,
    runtime: opt.Runtime = None,
    libedgetpu: opt.Libedgetpu = None,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Measure how long one inference of BUNDLE takes, split into set, invoke and get."""
    from edgeq_device.bench import BenchOptions
    from edgeq_device.bench import benchmark as measure
    from edgeq_device.cli.pages import bench_page
    from edgeq_device.progress import silent
    from edgeq_device.runner import RunnerOptions

    wanted = BenchOptions(runs, warmup)
    options = RunnerOptions(backend, device, threads, runtime, libedgetpu)
    with opened(bundle, options, quiet=quiet) as runner:
        shown = silent if quiet else console.show_progress
        report = measure(runner, wanted, progress=shown)
    if as_json:
        console.result_json({"schema": "edgeq.benchmark/1", **report.as_dict()})
    else:
        console.result(bench_page(report))


def info(bundle: opt.Bundle, as_json: opt.Json = False) -> None:
    """Show what BUNDLE is: its models, inputs, outputs, and where they came from."""
    from edgeq_device.bundle import looks_like_bundle, open_bundle, refuse_keras
    from edgeq_device.cli.pages import info_page, model_document, model_page
    from edgeq_device.tflite import read_model

    refuse_keras(bundle)
    if bundle.suffix == ".edgeq" or looks_like_bundle(bundle):
        with open_bundle(bundle) as opened_bundle:
            size = bundle.stat().st_size
            page = info_page(opened_bundle, size)
            manifest = opened_bundle.manifest.as_dict()
        document = {"bundle": str(bundle), "bytes": size, "manifest": manifest}
    else:
        model = read_model(bundle)
        page = model_page(model)
        document = {"model": str(bundle), "bytes": len(model.data), **model_document(model)}
    if as_json:
        console.result_json({"schema": "edgeq.info/1", **document})
    else:
        console.result(page)


def verify(
    bundle: opt.BundleOnly,
    backend: opt.Backend = "cpu",
    device: opt.Device = None,
    threads: opt.Threads = None,
    runtime: opt.Runtime = None,
    libedgetpu: opt.Libedgetpu = None,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Check every digest in BUNDLE and run its golden vectors again (exit 5 where one fails)."""
    from edgeq_device.cli.pages import verify_page
    from edgeq_device.runner import RunnerOptions

    options = RunnerOptions(backend, device, threads, runtime, libedgetpu)
    report = _verified(bundle, options, quiet=quiet)
    if as_json:
        console.result_json({"schema": "edgeq.verify/1", "bundle": str(bundle), **report.as_dict()})
    else:
        console.result(verify_page(str(bundle), report))


def _verified(path: Path, options: RunnerOptions, *, quiet: bool) -> VerifyReport:
    from edgeq_device.bundle import open_bundle, refuse_bare_model, refuse_keras
    from edgeq_device.runner import verify as replay
    from edgeq_device.runner import verify_digests

    refuse_keras(path)
    refuse_bare_model(path)
    with open_bundle(path) as bundle:
        bundle.verify_digests()
        if bundle.manifest.golden is None:
            return verify_digests(bundle)
    with opened(path, options, quiet=quiet) as runner:
        assert runner.deployment.bundle is not None
        return replay(runner.deployment.bundle, runner)
