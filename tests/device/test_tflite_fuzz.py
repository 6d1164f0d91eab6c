"""Damaged models: refused with ModelError or read, never anything else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.device.installed import each_runtime
from tests.device.mutations import mutants, mutate, read_all, small_models

MODELS = small_models()
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", MODELS)
def test_the_models_themselves_are_read(name: str) -> None:
    assert read_all(MODELS[name])


@pytest.mark.parametrize("name", MODELS)
def test_cut_at_every_byte(name: str) -> None:
    data = MODELS[name]
    # Only bytes that nothing points to, at the very end, may be missing.
    read = [length for length in range(len(data)) if read_all(data[:length])]

    assert all(len(data) - length < 8 for length in read)


@pytest.mark.parametrize("name", MODELS)
def test_every_single_bit_of_the_first_hundred_bytes(name: str) -> None:
    data = MODELS[name]
    outcomes = []
    for bit in range(800):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        outcomes.append(read_all(bytes(damaged)))

    assert not any(outcomes[:64])  # the root's offset and the identifier


def test_thousands_of_mutants() -> None:
    outcomes = [read_all(data) for data in mutants(4000, seed=20)]

    # Both happen, or the mutations test nothing.
    assert 400 < sum(outcomes) < 3600


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(MODELS)), st.integers(0, 2**32))
def test_any_mutant(name: str, seed: int) -> None:
    read_all(mutate(MODELS[name], Random(seed)))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_noise_behind_the_identifier(noise: bytes) -> None:
    read_all(b"\x10\x00\x00\x00TFL3" + noise)


@each_runtime
def test_what_passes_the_check_runs_or_raises_and_rarely_kills_its_child(runtime: str) -> None:
    command = [sys.executable, "-m", "tests.device.mutants_child", runtime, "800", "4"]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    endings = json.loads(child.stdout)

    assert child.returncode == 0
    assert sum(endings.values()) == 800
    assert endings["ran"] > 80
    # Measured: 1 in 1500. What is left takes the kernels' own knowledge, hence the child.
    assert endings["died"] <= (800 - endings["refused"]) // 50
