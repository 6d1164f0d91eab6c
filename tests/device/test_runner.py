"""The runner: which backend and why, what goes into a model, what comes out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeq_device.bundle import InputInfo, RuntimeInfo
from edgeq_device.bundle.layout import MANIFEST
from edgeq_device.errors import (
    BundleError,
    ConfigError,
    InputError,
    MissingDevice,
    MissingTool,
    ModelError,
)
from edgeq_device.runner import (
    DecodeOptions,
    Runner,
    RunnerOptions,
    VerifyReport,
    compare,
    feeder,
    open_deployment,
    verify,
)
from edgeq_device.runtime import find_runtime, load
from edgeq_device.tasks import Classification, RawOutputs
from edgeq_device.tensors import TensorSpec
from edgeq_device.transforms import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from tests.device.bundles import Recipe, bundle_files, write_bundle, zipped
from tests.device.factories import (
    conv_classifier,
    custom_op_model,
    dense_model,
    float_dense_model,
    quantize_model,
)
from tests.device.test_delegate import SOURCE, compile_c
from tests.device.test_hardware import RUNNING, Kernel

NO_DEVICE = "no Edge TPU found (no USB or PCIe device)"
NOT_COMPILED = "the bundle holds no model compiled for the Edge TPU"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """A machine without an Edge TPU, until one is added."""
    made = Kernel(tmp_path / "kernel")
    monkeypatch.setenv("EDGEQ_SYSFS", str(made.sys))
    monkeypatch.setenv("EDGEQ_DEV", str(made.dev))
    monkeypatch.delenv("EDGEQ_LIBEDGETPU", raising=False)
    monkeypatch.delenv("EDGEQ_FAKE_TPU", raising=False)
    return made


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> str:
    return compile_c(SOURCE, tmp_path_factory.mktemp("lib") / "libedgetpu.so.1")


def two_models(path: Path) -> Path:
    """A bundle with a CPU model and an "Edge TPU program", both uint8 (1, 4) -> (1, 4)."""
    recipe = Recipe(
        model=quantize_model(input_scale=1.0, output_scale=1.0),
        compiled=custom_op_model(),
        preprocessing=None,
        applied="none declared",
        task="raw",
        labels=(),
    )
    return write_bundle(path, recipe)


PIXELS = np.array([[0, 10, 200, 255]], np.uint8)


def test_a_bundle_on_the_cpu(tmp_path: Path, kernel: Kernel) -> None:
    with open_deployment(write_bundle(tmp_path / "tiny.edgeq")) as deployment:
        runner = Runner(deployment)
        assert runner.backend == "cpu"
        assert runner.fallback_reason == NOT_COMPILED
        assert runner.runtime == find_runtime()
        pixels = np.random.RandomState(1).randint(0, 256, (1, 16, 16, 3)).astype(np.uint8)
        outputs = runner.run(*runner.prepare(pixels))
        expected = load(conv_classifier(), name="m").run(pixels)
        np.testing.assert_array_equal(outputs[0], expected[0])
        result = runner.decode(outputs, DecodeOptions(top_k=2))
        assert isinstance(result, Classification)
        best = int(np.argmax(outputs[0]))
        assert result.classes[0].index == best
        assert result.classes[0].label == ("ant", "bee", "cat", "dog", "eel")[best]
        assert result.classes[0].score == outputs[0].max() / 256


def test_asking_for_the_cpu_is_no_fallback(tmp_path: Path, kernel: Kernel) -> None:
    with open_deployment(two_models(tmp_path / "two.edgeq")) as deployment:
        assert Runner(deployment, RunnerOptions("cpu")).fallback_reason is None


def test_fallback_without_a_device(tmp_path: Path, kernel: Kernel) -> None:
    with open_deployment(two_models(tmp_path / "two.edgeq")) as deployment:
        runner = Runner(deployment)
        assert (runner.backend, runner.fallback_reason) == ("cpu", NO_DEVICE)
        np.testing.assert_array_equal(runner.run(PIXELS)[0], PIXELS)


def test_fallback_where_the_device_fails(
    tmp_path: Path, kernel: Kernel, stand_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.usb("2-1", RUNNING)
    monkeypatch.setenv("EDGEQ_FAKE_TPU", "segfault")
    options = RunnerOptions(libedgetpu=stand_in)
    with open_deployment(two_models(tmp_path / "two.edgeq")) as deployment:
        runner = Runner(deployment, options)
        assert runner.backend == "cpu"
        assert runner.fallback_reason == (
            "building the interpreter with libedgetpu.so.1 crashed the interpreter (signal 11)"
        )
        with pytest.raises(MissingDevice) as caught:
            Runner(deployment, RunnerOptions("edgetpu", libedgetpu=stand_in))
        assert caught.value.sentence == (
            f"--backend edgetpu cannot be used: {runner.fallback_reason}"
        )
        assert caught.value.hint.startswith("this libedgetpu does not fit")


def test_the_edge_tpu_where_it_works(tmp_path: Path, kernel: Kernel, stand_in: str) -> None:
    kernel.usb("2-1", RUNNING)
    deployment = open_deployment(two_models(tmp_path / "two.edgeq"))
    options = RunnerOptions(libedgetpu=stand_in, device="usb:0")
    with deployment, Runner(deployment, options) as runner:
        assert (runner.backend, runner.fallback_reason) == ("edgetpu", None)
        assert runner.run(PIXELS)[0].shape == (1, 4)


def test_a_library_that_is_named_must_be_there(tmp_path: Path, kernel: Kernel) -> None:
    kernel.usb("2-1", RUNNING)
    deployment = open_deployment(two_models(tmp_path / "two.edgeq"))
    with deployment, pytest.raises(MissingTool, match="libedgetpu: /nowhere.so does not exist"):
        Runner(deployment, RunnerOptions(libedgetpu="/nowhere.so"))


@pytest.mark.parametrize(
    ("make", "reason", "hint"),
    [
        (write_bundle, NOT_COMPILED, "build it where edgetpu_compiler is installed"),
        (two_models, NO_DEVICE, "plug it into a USB 3 port"),
    ],
)
def test_edgetpu_by_name_without_one(
    tmp_path: Path, kernel: Kernel, make: object, reason: str, hint: str
) -> None:
    deployment = open_deployment(make(tmp_path / "x.edgeq"))  # type: ignore[operator]
    with deployment, pytest.raises(MissingDevice) as caught:
        Runner(deployment, RunnerOptions("edgetpu"))
    assert caught.value.sentence == f"--backend edgetpu cannot be used: {reason}"
    assert caught.value.hint.startswith(hint)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"backend": "gpu"}, "--backend is 'gpu', but must be auto, cpu, edgetpu"),
        ({"threads": 0}, "--threads is 0, but must be from 1 to 1024"),
    ],
)
def test_wrong_options(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunnerOptions(**options)  # type: ignore[arg-type]
    assert caught.value.sentence == sentence


def test_a_misspelt_device_is_wrong_on_any_backend(tmp_path: Path, kernel: Kernel) -> None:
    deployment = open_deployment(write_bundle(tmp_path / "tiny.edgeq"))
    with deployment, pytest.raises(ConfigError, match="--device is 'banana'"):
        Runner(deployment, RunnerOptions("cpu", device="banana"))


def test_a_bare_model(tmp_path: Path, kernel: Kernel) -> None:
    path = tmp_path / "digits.tflite"
    path.write_bytes(conv_classifier())
    with open_deployment(path) as deployment:
        assert (deployment.name, deployment.task, deployment.activation) == (
            "digits",
            "classify",
            "none",
        )
        runner = Runner(deployment)
        assert runner.fallback_reason == "the model is not compiled for the Edge TPU"
        (output,) = runner.run(*runner.prepare(np.zeros((16, 16, 3), np.uint8)))
        assert output.shape == (1, 5)


def test_logits_of_a_bare_model_get_a_softmax(tmp_path: Path, kernel: Kernel) -> None:
    path = tmp_path / "logits.tflite"
    path.write_bytes(dense_model())
    with open_deployment(path) as deployment:
        runner = Runner(deployment)
        outputs = runner.run(*runner.prepare(np.full((1, 8), 90, np.uint8)))
        result = runner.decode(outputs, DecodeOptions(top_k=4))
        assert isinstance(result, Classification)
        logits = (outputs[0].astype(np.float64) - 128) / 16
        expected = np.exp(logits) / np.exp(logits).sum()
        scores = {each.index: each.score for each in result.classes}
        assert scores == pytest.approx(dict(enumerate(expected[0])), rel=1e-5)
        assert sum(scores.values()) == pytest.approx(1.0)


def test_a_truncated_bare_model(tmp_path: Path, kernel: Kernel) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(conv_classifier()[:700])
    with pytest.raises(ModelError) as caught:
        open_deployment(path)
    assert caught.value.path == str(path)
    assert caught.value.hint


def test_a_compiled_model_alone_needs_the_device(tmp_path: Path, kernel: Kernel) -> None:
    path = tmp_path / "x_edgetpu.tflite"
    path.write_bytes(custom_op_model())
    deployment = open_deployment(path)
    with deployment, pytest.raises(MissingDevice) as caught:
        Runner(deployment)
    assert caught.value.sentence == f"{path} is compiled for the Edge TPU, and {NO_DEVICE}"
    with pytest.raises(MissingDevice) as caught:
        Runner(deployment, RunnerOptions("cpu"))
    assert "a CPU cannot run it" in caught.value.sentence


def test_a_custom_operator_that_no_cpu_has(tmp_path: Path, kernel: Kernel) -> None:
    path = tmp_path / "x.tflite"
    path.write_bytes(custom_op_model("MyOwnOp"))
    with pytest.raises(ModelError, match="custom operator MyOwnOp cannot run on a CPU"):
        open_deployment(path)


def test_a_manifest_that_belongs_to_another_model(tmp_path: Path, kernel: Kernel) -> None:
    manifest, files = bundle_files(Recipe(samples=0))
    plain = json.loads(manifest.to_json())
    plain["inputs"][0]["scale"] = 0.5
    path = tmp_path / "x.edgeq"
    path.write_bytes(zipped({MANIFEST: json.dumps(plain).encode(), **files}))
    deployment = open_deployment(path)
    with deployment, pytest.raises(BundleError, match="does not describe the inputs and outputs"):
        Runner(deployment)


def test_an_unknown_task_gives_raw_outputs(tmp_path: Path, kernel: Kernel) -> None:
    with open_deployment(write_bundle(tmp_path / "x.edgeq", Recipe(task="pose"))) as deployment:
        runner = Runner(deployment)
        outputs = runner.run(np.zeros((1, 16, 16, 3), np.uint8))
        result = runner.decode(outputs)
        assert isinstance(result, RawOutputs)
        assert result.outputs[0].name == "scores"
        assert result.outputs[0].data is outputs[0]


def test_labels_and_task_may_be_given(tmp_path: Path, kernel: Kernel) -> None:
    with open_deployment(write_bundle(tmp_path / "x.edgeq")) as deployment:
        runner = Runner(deployment)
        outputs = (np.array([[0, 0, 200, 0, 56]], np.uint8),)
        result = runner.decode(outputs, DecodeOptions(top_k=2, labels=("a", "b", "c")))
        assert isinstance(result, Classification)
        assert [(each.label, each.score) for each in result.classes] == [
            ("c", 200 / 256),
            ("4", 56 / 256),
        ]
        assert isinstance(runner.decode(outputs, DecodeOptions("raw")), RawOutputs)
    with pytest.raises(ConfigError, match="--task is 'pose', but must be classify or raw"):
        DecodeOptions("pose")
    with pytest.raises(ConfigError, match="--top-k is 0, but must be at least 1"):
        DecodeOptions(top_k=0)


UNIT = TensorSpec("x", (1, 2, 2, 3), "uint8", 1 / 255, 0)
SIGNED = TensorSpec("x", (1, 2, 2, 3), "int8", 1 / 255, -128)
RAW = TensorSpec("x", (1, 2, 2, 3), "uint8", 1.0, 0)
FLOAT = TensorSpec("x", (1, 2, 2, 3), "float32")
PAPER = Preprocessing(IMAGENET_MEAN, IMAGENET_STD)
TO_UNIT = Preprocessing((0.0,), (255.0,))
TO_SIGNED_UNIT = Preprocessing((127.5,), (127.5,))
SAMPLE = np.array([0, 1, 127, 128, 200, 255] * 2, np.uint8).reshape(1, 2, 2, 3)


@pytest.mark.parametrize(
    "given",
    [
        InputInfo(UNIT, TO_UNIT, "model"),
        InputInfo(UNIT, None),
        InputInfo(RAW, PAPER, "model"),
        InputInfo(UNIT, Preprocessing(), "model"),
    ],
)
def test_pixels_go_straight_in(given: InputInfo) -> None:
    assert feeder(given)(SAMPLE) is SAMPLE


def test_pixels_for_int8_count_from_minus_128() -> None:
    ready = feeder(InputInfo(SIGNED, TO_UNIT, "model"))(SAMPLE)
    assert ready.dtype == np.int8
    np.testing.assert_array_equal(ready, SAMPLE.astype(int) - 128)
    # the real value of each number is what the preprocessing says
    np.testing.assert_allclose(SIGNED.dequantize(ready), TO_UNIT.apply(SAMPLE), atol=1e-6)


def test_the_device_applies_what_could_not_be_folded() -> None:
    spec = TensorSpec("x", (1, 2, 2, 3), "uint8", 4.8 / 255, 114)
    ready = feeder(InputInfo(spec, PAPER, "device"))(SAMPLE)
    expected = (SAMPLE.astype(float) - IMAGENET_MEAN) / IMAGENET_STD
    assert np.abs(spec.dequantize(ready) - expected).max() <= spec.scale * 0.501
    float_ready = feeder(InputInfo(FLOAT, PAPER, "device"))(SAMPLE)
    assert float_ready.dtype == np.float32
    np.testing.assert_allclose(float_ready, expected, rtol=1e-5, atol=1e-6)


def test_values_are_quantized_where_scale_and_zero_point_say_it_all() -> None:
    values = TO_UNIT.apply(SAMPLE)
    for given in (
        InputInfo(UNIT, TO_UNIT, "model"),
        InputInfo(UNIT, None),
        InputInfo(UNIT, TO_UNIT, "device"),
    ):
        np.testing.assert_array_equal(feeder(given)(values), SAMPLE)
    np.testing.assert_array_equal(
        feeder(InputInfo(SIGNED, TO_UNIT, "model"))(values), SAMPLE.astype(int) - 128
    )


def test_values_go_back_to_pixels_where_the_graph_does_the_preprocessing() -> None:
    for declared in (PAPER, TO_SIGNED_UNIT):
        feed = feeder(InputInfo(RAW, declared, "model"))
        np.testing.assert_array_equal(feed(declared.apply(SAMPLE)), SAMPLE)
        # what lies outside the range of pixels is cut off, and does not wrap around
        far = feed(np.full((1, 2, 2, 3), 99.0, np.float32))
        assert set(far.ravel().tolist()) == {255}
    np.testing.assert_allclose(
        feeder(InputInfo(FLOAT, TO_SIGNED_UNIT, "model"))(TO_SIGNED_UNIT.apply(SAMPLE)),
        SAMPLE,
        atol=1e-4,
    )


def test_the_batch_may_be_left_out() -> None:
    assert feeder(InputInfo(UNIT, None))(SAMPLE[0]).shape == (1, 2, 2, 3)


def test_pixels_into_a_float_model_without_a_declaration() -> None:
    ready = feeder(InputInfo(FLOAT, None))(SAMPLE)
    assert ready.dtype == np.float32
    np.testing.assert_array_equal(ready, SAMPLE)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((1, 2, 2, 1), np.uint8), "takes the shape [1, 2, 2, 3], got [1, 2, 2, 1]"),
        (np.zeros((2, 2, 2, 3), np.uint8), "takes the shape [1, 2, 2, 3], got [2, 2, 2, 3]"),
        (np.zeros((1, 2, 2, 3), np.int64), "takes uint8, got int64"),
    ],
)
def test_arrays_that_do_not_fit(array: object, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        feeder(InputInfo(UNIT, None))(array)  # type: ignore[arg-type]
    assert caught.value.sentence == f"input 'x': {sentence}"
    assert caught.value.hint


def test_the_number_of_arrays(tmp_path: Path, kernel: Kernel) -> None:
    deployment = open_deployment(write_bundle(tmp_path / "x.edgeq"))
    with deployment, pytest.raises(InputError, match=r"takes 1 input array\(s\), got 2"):
        Runner(deployment).prepare(SAMPLE, SAMPLE)


def replayed(path: Path, recipe: Recipe) -> VerifyReport:
    with open_deployment(write_bundle(path, recipe)) as deployment:
        assert deployment.bundle is not None
        return verify(deployment.bundle, Runner(deployment, RunnerOptions("cpu")))


def test_golden_vectors_come_out_bit_for_bit(tmp_path: Path) -> None:
    report = replayed(tmp_path / "x.edgeq", Recipe())
    assert report.exact_wanted
    assert [match.equal for match in report.outputs] == [True]
    assert len(report.members) == 4


def changed_by(steps: int) -> tuple[object, ...]:
    """Golden outputs of the classifier, the first value changed."""
    manifest, files = bundle_files(Recipe())
    assert manifest.golden is not None
    data = files["golden/output_0.npy"]
    outputs = np.frombuffer(data[-10:], np.uint8).reshape(2, 1, 5).copy()
    outputs[0, 0, 0] += steps
    return (outputs,)


def test_one_step_is_too_much_on_the_same_runtime(tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught:
        replayed(tmp_path / "x.edgeq", Recipe(outputs=changed_by(1)))
    assert "its golden vectors do not come out: output 'scores' differs by up to 1 steps" in (
        caught.value.problem
    )
    assert caught.value.exit_code == 5


def test_another_runtime_may_differ_by_the_tolerance(tmp_path: Path) -> None:
    other = RuntimeInfo("ai-edge-litert", "1.0.0", "riscv64")
    near = replayed(tmp_path / "x.edgeq", Recipe(outputs=changed_by(3), made_by=other))
    assert not near.exact_wanted
    assert near.outputs[0].difference == 3
    noise = np.random.RandomState(0).randint(0, 256, (2, 1, 5)).astype(np.uint8)
    with pytest.raises(BundleError, match=r"from what ai-edge-litert 1.0.0 on riscv64 gave"):
        replayed(tmp_path / "y.edgeq", Recipe(outputs=(noise,), made_by=other))


def test_float_outputs_may_differ_in_the_last_bits(tmp_path: Path) -> None:
    recipe = Recipe(
        model=float_dense_model(), preprocessing=None, applied="none declared", labels=()
    )
    assert replayed(tmp_path / "x.edgeq", recipe).outputs[0].equal
    spec = TensorSpec("y", (1, 3), "float32")
    one = np.array([[[1.0, 2.0, 4.0]]], np.float32)
    match = compare(spec, one, one * np.float32(1.00001))
    assert not match.equal
    assert match.difference == pytest.approx(1e-5, rel=0.05)
    assert match.cosine == pytest.approx(1.0)
