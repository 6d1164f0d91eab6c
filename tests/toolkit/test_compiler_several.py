"""Several models, segments, the cache, and another try: what is more than one plain call."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edgeq.compiler import CompileOptions, cache, compile_model, compile_models, result_names
from edgeq.compiler.cache import Kept, load, store
from edgeq.compiler.options import check_options, flags
from edgeq_device.errors import CompileError, ConfigError
from tests.device.factories import conv_classifier
from tests.toolkit.test_compiler import STAND_IN, twin


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two models, beside a stand-in compiler that counts its calls in "calls"."""
    for name in ("EDGEQ_FAKE_COMPILER", "EDGEQ_COMPILER"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "twin.bin").write_bytes(twin())
    monkeypatch.setenv("EDGEQ_FAKE_TWIN", str(tmp_path / "twin.bin"))
    paths = [tmp_path / "a b.tflite", tmp_path / "c.tflite"]
    for path in paths:
        path.write_bytes(conv_classifier())
    spy = tmp_path / "spy"
    spy.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nexec {STAND_IN} "$@"\n')
    spy.chmod(0o755)
    return paths


def options(models: list[Path], **changes: object) -> CompileOptions:
    return CompileOptions(compiler=models[0].parent / "spy", **changes)  # type: ignore[arg-type]


def compilations(models: list[Path]) -> list[str]:
    lines = (models[0].parent / "calls").read_text().splitlines()
    return [line for line in lines if line != "--version"]


class TestFlags:
    def test_all_of_16(self) -> None:
        wanted = CompileOptions(
            timeout=600,
            min_runtime_version=13,
            intermediate_tensors=(("a", "b/c"), ("d",)),
            segments=1,
            search_delegate=True,
            search_step=10,
            multiple_subgraphs=True,
        )
        assert " ".join(flags(wanted, 16)) == "-m 13 -t 600 -i a,b/c:d -d -k 10 -a"

    def test_search_needs_16(self) -> None:
        with pytest.raises(ConfigError, match="--search-delegate"):
            flags(CompileOptions(search_delegate=True), 15)

    @pytest.mark.parametrize(
        ("changes", "count", "option"),
        [
            ({"segments": 0}, 1, "--segments"),
            ({"segments": 2}, 2, "--segments"),
            ({"search_step": 0}, 1, "--search-step"),
            ({"timeout": 0}, 1, "--timeout"),
            ({"intermediate_tensors": (("a",),)}, 2, "--intermediate-tensors"),
        ],
    )
    def test_contradictions(self, changes: dict[str, object], count: int, option: str) -> None:
        with pytest.raises(ConfigError, match=f"^{option} is "):
            check_options(CompileOptions(**changes), count)  # type: ignore[arg-type]


class TestSeveral:
    def test_two_models_share_one_call(self, models: list[Path]) -> None:
        first, second = compile_models(models, options(models))
        assert [first.output_name, second.output_name] == [
            "a b_edgetpu.tflite",
            "c_edgetpu.tflite",
        ]
        assert first.compiled == second.compiled == twin()
        assert compilations(models) == ["-s -o out -m 14 -t 180 model_0.tflite model_1.tflite"]
        assert "Models compiled successfully in 93 ms." in first.log
        assert first.unknown_lines == ()

    def test_two_models_of_one_name_are_refused(self, models: list[Path]) -> None:
        other = models[0].parent / "other"
        other.mkdir()
        twice = other / models[0].name
        twice.write_bytes(b"x")
        with pytest.raises(ConfigError) as caught:
            compile_models([models[0], twice], options(models))
        assert caught.value.hint == (
            "rename one of the files: the compiled files take the models' names"
        )
        assert not (models[0].parent / "calls").exists()

    def test_segments(self, models: list[Path]) -> None:
        reports = compile_models(models[:1], options(models, segments=3))
        names = [f"a b_segment_{index}_of_3_edgetpu.tflite" for index in range(3)]
        assert [report.output_name for report in reports] == names
        assert list(result_names(models[:1], 3)) == names
        assert all(report.compiled == twin() for report in reports)
        assert compilations(models) == ["-s -o out -m 14 -t 180 -n 3 model.tflite"]

    def test_segments_with_search(self, models: list[Path]) -> None:
        reports = compile_models(models[:1], options(models, segments=2, search_delegate=True))
        assert len(reports) == 2
        assert reports[0].unknown_lines == ()


class TestRetry:
    def test_a_failure_at_random_is_tried_once_more(
        self, models: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EDGEQ_FAKE_COMPILER", "random")
        monkeypatch.setenv("EDGEQ_FAKE_STATE", str(models[0].parent / "state"))
        assert compile_model(models[0], options(models)).ok
        assert len(compilations(models)) == 2

    def test_others_are_not(self, models: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EDGEQ_FAKE_COMPILER", "silent")
        with pytest.raises(CompileError):
            compile_model(models[0], options(models))
        assert len(compilations(models)) == 1


class TestCache:
    def test_the_same_compilation_is_paid_once(self, models: list[Path], tmp_path: Path) -> None:
        kept = options(models, cache=tmp_path / "cache")
        first, again = (compile_model(models[0], kept) for _ in range(2))
        assert (first.cached, again.cached) == (False, True)
        assert again.compiled == first.compiled
        assert (again.rows, again.log) == (first.rows, first.log)
        assert len(compilations(models)) == 1

    def test_other_flags_and_models_are_other_compilations(
        self, models: list[Path], tmp_path: Path
    ) -> None:
        folder = tmp_path / "cache"
        compile_model(models[0], options(models, cache=folder))
        assert not compile_model(models[0], options(models, cache=folder, timeout=7)).cached
        models[1].write_bytes(conv_classifier() + b"\0")
        assert not compile_model(models[1], options(models, cache=folder)).cached
        assert len(list(folder.iterdir())) == 3

    def test_failures_are_not_kept(
        self, models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "cache"
        monkeypatch.setenv("EDGEQ_FAKE_COMPILER", "silent")
        with pytest.raises(CompileError):
            compile_model(models[0], options(models, cache=folder))
        assert not folder.exists()

    @pytest.mark.parametrize("cut", [0, 1, 40, 500, -1])
    def test_a_damaged_entry_is_compiled_anew(
        self, models: list[Path], tmp_path: Path, cut: int
    ) -> None:
        kept = options(models, cache=tmp_path / "cache")
        compile_model(models[0], kept)
        (entry,) = kept.cache.iterdir() if kept.cache else ()
        whole = entry.read_bytes()
        entry.write_bytes(whole[:cut] if cut >= 0 else whole[:-1] + bytes([whole[-1] ^ 1]))
        assert not compile_model(models[0], kept).cached
        assert entry.read_bytes() == whole

    def test_writers_at_the_same_time(self, tmp_path: Path) -> None:
        entries = [Kept(f"log {index}\n", {"a": bytes([index]) * 100_000}) for index in range(8)]
        threads = [
            threading.Thread(target=store, args=(tmp_path / "c", "name", entry))
            for entry in entries
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert load(tmp_path / "c", "name") in entries
        assert [path.name for path in (tmp_path / "c").iterdir()] == ["name"]

    def test_a_folder_that_cannot_be_written_is_no_failure(
        self, models: list[Path], tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        assert compile_model(models[0], options(models, cache=tmp_path / "file")).ok

    def test_names_in_an_entry_stay_names(self, tmp_path: Path) -> None:
        store(tmp_path, "x", Kept("log", {"../../up": b"1"}))
        kept = load(tmp_path, "x")
        assert kept is not None
        assert list(kept.files) == ["up"]

    def test_the_key_holds_all_that_decides(self) -> None:
        keys = {
            cache.key(*facts)
            for facts in (
                ("16.0", ["-s"], [b"m"]),
                ("15.0", ["-s"], [b"m"]),
                ("16.0", ["-s", "-a"], [b"m"]),
                ("16.0", ["-s"], [b"n"]),
                ("16.0", ["-s"], [b"m", b"n"]),
                ("16.0", ["-s"], [b"n", b"m"]),
            )
        }
        assert len(keys) == 6
