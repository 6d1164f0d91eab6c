"""Files are written whole or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edgeq_device.errors import ConfigError, EdgeqError, OutputError
from edgeq_device.files import check_output, replacing, write_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_another_replaced(tmp_path: Path) -> None:
    target = tmp_path / "out.bin"
    write_file(target, b"first")
    write_file(target, b"second")
    assert target.read_bytes() == b"second"
    assert names(tmp_path) == ["out.bin"]


def test_the_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_file(tmp_path / "out", b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640
    assert os.umask(old) == old


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_while_writing_leaves_the_old_file(tmp_path: Path, error: type) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"old")

    def write() -> None:
        with replacing(target) as (file, temporary):
            file.write(b"new")
            assert temporary.parent == tmp_path
            raise error

    with pytest.raises(error):
        write()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["out"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    # A limit on the size of files does what a full disk does; only a child may set it.
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from edgeq_device.errors import OutputError\n"
        "from edgeq_device.files import write_file\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    write_file(Path(sys.argv[1]), bytes(8192))\n"
        "except OutputError as error:\n"
        "    print(error, error.hint, error.exit_code, sep='|')\n"
    )
    target = tmp_path / "out"
    run = subprocess.run(
        [sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=True
    )
    sentence = f"{target}: cannot be written: File too large"
    assert run.stdout == f"{sentence}|free some space, or write elsewhere|1\n"
    assert names(tmp_path) == []


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        write_file(tmp_path / "none" / "out", b"x")
    assert str(caught.value).endswith("cannot be written: No such file or directory")


def test_an_error_without_a_system_message_still_says_why(tmp_path: Path) -> None:
    def write() -> None:
        with replacing(tmp_path / "out"):
            raise OSError("the encoder gave up")

    with pytest.raises(OutputError, match="out: cannot be written: the encoder gave up"):
        write()
    assert names(tmp_path) == []


def test_an_edgeq_error_passes_as_it_is(tmp_path: Path) -> None:
    def write() -> None:
        with replacing(tmp_path / "out"):
            raise EdgeqError("stop")

    with pytest.raises(EdgeqError, match="^stop$"):
        write()
    assert names(tmp_path) == []


def test_what_may_be_written(tmp_path: Path) -> None:
    check_output(tmp_path / "new", "-o", force=False)
    (tmp_path / "old").touch()
    check_output(tmp_path / "old", "-o", force=True)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    check_output(tmp_path / "dangling", "-o", force=False)


def test_an_output_that_exists_needs_force(tmp_path: Path) -> None:
    target = tmp_path / "old"
    target.touch()
    with pytest.raises(ConfigError) as caught:
        check_output(target, "--output", force=False)
    assert str(caught.value) == (
        f"--output is {str(target)!r}, but must be a file that does not exist yet"
    )
    assert caught.value.hint == "--force overwrites it"


def test_a_folder_is_no_output_even_with_force(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_output(tmp_path, "--output", force=True)
    assert str(caught.value) == f"--output is {str(tmp_path)!r}, but must be a file, not a folder"
    assert caught.value.hint == "name a file in it"


def test_a_device_is_never_replaced_by_a_file() -> None:
    with pytest.raises(ConfigError) as caught:
        check_output(Path("/dev/null"), "--output", force=True)
    assert caught.value.sentence.endswith("'/dev/null', but must be a file, not a device or a pipe")


def test_a_missing_folder_is_said_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        check_output(tmp_path / "a" / "b" / "out", "--output", force=False)
    assert str(caught.value) == f"{tmp_path / 'a' / 'b' / 'out'}: its folder does not exist"
    assert caught.value.hint == f"mkdir -p {tmp_path / 'a' / 'b'}"


def test_a_name_that_is_too_long_is_no_crash(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: File name too long"):
        check_output(tmp_path / ("x" * 300), "--output", force=False)
