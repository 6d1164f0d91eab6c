"""``edgeq evaluate`` of bundles and .tflite files, on .npz files and class folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cli import models
from tests.cli.conftest import Workshop
from tests.cli.running import done, edgeq, files_in, process, refused

NAMES = tuple(f"digit {number}" for number in range(10))


@pytest.fixture(scope="module")
def labelled(shop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that knows its labels, "digit 0" to "digit 9"."""
    out = tmp_path_factory.mktemp("labelled") / "digits.edgeq"
    done(edgeq("build", shop.model, *shop.options, "--labels", shop.labels, "-o", out))
    return out


def test_json_has_the_keys_that_machines_read(shop: Workshop) -> None:
    found = done(edgeq("evaluate", shop.bundle, "--data", shop.test, "--json")).document
    assert found["schema"] == "edgeq.evaluation/1"
    assert found["samples"] == 1000
    assert found["accuracy"] == pytest.approx(0.848, abs=0.005)
    assert found["top_k"] == 5
    assert 0.97 < found["top_k_accuracy"] <= 1
    confusion = np.array(found["confusion"])
    assert confusion.shape == (10, 10)
    assert found["classes"] == [str(number) for number in range(10)]
    assert confusion.trace() == round(1000 * found["accuracy"])
    labels = models.digits()[1][models.TRAINED :]
    assert confusion.sum(axis=1).tolist() == np.bincount(labels, minlength=10).tolist()


def test_a_bundle_and_a_bare_model_give_the_same(shop: Workshop, tmp_path: Path) -> None:
    model = tmp_path / "integer.tflite"
    out = ["-o", tmp_path / "x.edgeq", "--save-model", model]
    done(edgeq("build", shop.model, *shop.options, *out))
    options = ["--data", shop.test, "--json", "--preprocess", "[0,1]"]
    integer = done(edgeq("evaluate", model, *options)).document
    bundle = done(edgeq("evaluate", shop.bundle, *options[:3])).document
    assert integer["confusion"] == bundle["confusion"]
    floating = done(edgeq("evaluate", shop.model, *options)).document
    assert floating["accuracy"] == pytest.approx(bundle["accuracy"], abs=0.005)


def test_class_folders_are_matched_by_name(labelled: Path, tmp_path: Path) -> None:
    odd = tuple(name.replace(" ", "_").upper() for name in NAMES)
    folders = models.write_class_folders(tmp_path / "test", odd, 12)
    ended = done(edgeq("evaluate", labelled, "--data", folders, "--json"))
    assert ended.stderr == "labels matched by name\n"
    assert ended.document["labels_matched_by"] == "name"
    assert ended.document["classes"] == list(NAMES)
    assert (ended.document["samples"], ended.document["accuracy"] > 0.75) == (120, True)


def test_class_folders_without_known_names_are_matched_by_sorted_order(
    labelled: Path, shop: Workshop, tmp_path: Path
) -> None:
    folders = models.write_class_folders(tmp_path / "test", tuple("abcdefghij"), 12)
    for bundle in (labelled, shop.bundle):
        ended = done(edgeq("evaluate", bundle, "--data", folders, "--json"))
        assert ended.stderr == "labels matched by sorted order\n"
        assert ended.document["accuracy"] > 0.75
    text = done(process("evaluate", shop.bundle, "--data", folders)).stdout.splitlines()
    assert text[0].startswith("Accuracy     ")
    assert text[0].endswith("of 120 samples")
    assert " taken for " in text[-1]
    assert done(edgeq("evaluate", shop.bundle, "--data", folders, "-q")).stderr == ""


def test_folders_of_which_only_some_are_labels(labelled: Path, tmp_path: Path) -> None:
    names = (*NAMES[:9], "nine")
    folders = models.write_class_folders(tmp_path / "test", names, 2)
    refused(
        edgeq("evaluate", labelled, "--data", folders),
        f"{folders}: no label for 'nine', though other folders have one",
        "name each folder as its label",
    )


def test_the_confusion_matrix_as_a_picture(shop: Workshop, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "confusion.png"
    done(edgeq("evaluate", shop.bundle, "--data", shop.test, "--picture", path))
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 50
    refused(
        edgeq("evaluate", shop.bundle, "--data", shop.test, "--picture", path),
        f"--picture is '{path}', but must be a file that does not exist yet",
        "--force overwrites it",
    )
    done(edgeq("evaluate", shop.bundle, "--data", shop.test, "--picture", path, "--force"))
    assert files_in(tmp_path) == ["confusion.png"]


@pytest.mark.parametrize(
    ("count", "doubt"),
    [
        (11, "11 labels for 10 classes: is the first one 'background'?"),
        (12, "12 labels for 10 classes: do they belong to this model?"),
    ],
)
def test_labels_of_another_length_are_a_warning(
    shop: Workshop, tmp_path: Path, count: int, doubt: str
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"name {number}\n" for number in range(count)))
    options = ["--labels", labels, "-q"]
    ended = done(edgeq("evaluate", shop.bundle, "--data", shop.test, *options))
    assert ended.stderr == f"warning: {doubt}\n"
    np.save(tmp_path / "one.npy", models.digits()[0][0])
    ended = done(edgeq("run", shop.bundle, tmp_path / "one.npy", *options))
    assert ended.stderr == f"warning: {doubt}\n"
    ended = done(edgeq("run", shop.bundle, tmp_path / "one.npy", *options, "--task", "raw"))
    assert ended.stderr == ""


def test_options_that_are_no_good(shop: Workshop) -> None:
    def ended(*options: object):
        return edgeq("evaluate", shop.bundle, "--data", shop.test, *options)

    refused(ended("--top-k", 0), "--top-k is 0, but must be at least 1", "5 is usual")
    refused(
        ended("--threads", 0), "--threads is 0, but must be at least 1", "left out, it is all cores"
    )
    refused(
        ended("--runtime", "tf.lite"),
        "--runtime is 'tf.lite', but must be ai-edge-litert or tflite-runtime",
        "left out, it is the first of them that is installed",
    )
