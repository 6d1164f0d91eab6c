"""Folders of pictures are found whole, in one order; work is done ahead, in order and bounded."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

from edgeq_device.errors import InputError
from edgeq_device.sources import PICTURE_SUFFIXES, class_folders, list_pictures, read_ahead

NOT_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "PDF", "PALM", "WMF"}


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_pictures_are_found_in_all_subfolders_and_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a/z.png", "a/a.jpeg", "a b/c.webp", "notes.txt", "model.h5")
    touch(tmp_path, ".hidden.png", ".git/x.png", "a/._z.png")
    found = [path.relative_to(tmp_path).as_posix() for path in list_pictures(tmp_path)]
    assert found == ["a/a.jpeg", "a/z.png", "a b/c.webp", "b.JPG"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "real/a.png", "set/b.png")
    (tmp_path / "set" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "back").symlink_to(tmp_path / "set")
    found = [path.relative_to(tmp_path).as_posix() for path in list_pictures(tmp_path / "set")]
    assert found == ["set/b.png", "set/link/a.png"]


def test_the_suffixes_are_what_pillow_opens() -> None:
    Image.init()
    known = Image.registered_extensions()
    opened = {suffix for suffix, name in known.items() if name not in NOT_PICTURES}
    assert opened - PICTURE_SUFFIXES == set()


@pytest.mark.parametrize(
    ("make", "problem", "hint"),
    [
        (lambda path: None, "no such folder", "check the path"),
        (lambda path: path.write_text(""), "not a folder", "give the folder"),
        (lambda path: touch(path, "a.txt"), "no pictures in this folder", ".jpg, .png"),
    ],
)
def test_a_folder_without_pictures_is_refused(tmp_path, make, problem, hint) -> None:
    folder = tmp_path / "data"
    make(folder)
    with pytest.raises(InputError) as caught:
        list_pictures(folder)
    assert str(caught.value) == f"{folder}: {problem}"
    assert hint in caught.value.hint


def test_class_folders_are_sorted_and_empty_ones_keep_their_place(tmp_path: Path) -> None:
    touch(tmp_path, "dog/1.png", "dog/more/2.png", "cat/9.png", "bird/notes.txt", ".x/1.png")
    found = class_folders(tmp_path)
    assert [(each.name, len(each.pictures)) for each in found] == [
        ("bird", 0),
        ("cat", 1),
        ("dog", 2),
    ]


def test_no_class_folders(tmp_path: Path) -> None:
    touch(tmp_path, "1.png")
    with pytest.raises(InputError) as caught:
        class_folders(tmp_path)
    assert caught.value.problem == "no subfolders with pictures"
    assert caught.value.hint.startswith("make one subfolder per class")


def test_results_come_in_the_order_of_the_jobs() -> None:
    later = threading.Event()

    def first() -> str:
        assert later.wait(10)  # only begun in parallel does the second job end this one
        return "first"

    def second() -> str:
        later.set()
        return "second"

    assert list(read_ahead([first, second], threads=2)) == ["first", "second"]


def test_few_results_wait_for_the_consumer() -> None:
    begun = []
    results = read_ahead((lambda n=n: begun.append(n) or n for n in range(100)), threads=2)
    assert next(results) == 0
    results.close()
    assert len(begun) <= 5
    assert not [each for each in threading.enumerate() if each.name.startswith("edgeq-source")]


def test_an_error_comes_out_in_its_place() -> None:
    def jobs():
        yield lambda: 1
        yield lambda: 2
        raise InputError("third", "is missing")

    results = read_ahead(jobs(), threads=4)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(InputError, match="third: is missing"):
        next(results)


def test_ctrl_c_ends_the_process_and_its_threads() -> None:
    code = """
import _thread, time
from edgeq_device.sources import read_ahead
def jobs():
    while True:
        yield lambda: time.sleep(0.01)
for number, _ in enumerate(read_ahead(jobs(), 2)):
    if number == 3:
        _thread.interrupt_main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == -2
    assert ended.stderr.rstrip().endswith("KeyboardInterrupt")
