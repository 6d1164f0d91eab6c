"""What a build is told: options of the command line over keys of edgeq.toml, checked once."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from edgeq_device.errors import ConfigError, InputError
from edgeq_device.transforms import (
    ACTIVATIONS,
    COLORS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    RESAMPLES,
    RESIZES,
    Preprocessing,
)

MODES = ("integer", "float-fallback", "dynamic", "float")
ENGINES = ("auto", "litert", "tflite-converter")
TASKS = ("auto", "classify", "raw")
CONFIG_FILE = "edgeq.toml"

NAMED = {
    "[0,1]": ((0.0,), (255.0,)),
    "[-1,1]": ((127.5,), (127.5,)),
    "[0,255]": ((0.0,), (1.0,)),
    "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
}
"""Declared preprocessing by name: mean and std in pixel units."""


@dataclass(frozen=True)
class BuildSpec:
    """One build, as the user wants it. Paths are as given; nothing is read yet."""

    model: str = ""
    calibration: str | None = None
    output: Path | None = None
    mode: str = "integer"
    engine: str = "auto"
    samples: int = 200
    seed: int = 0
    preprocess: tuple[str, ...] = ()
    """Each "[0,1]", "[-1,1]", "imagenet", "mean=...,std=...", or the same behind "INPUT:"."""
    resize: str = "stretch"
    resample: str = "lanczos"
    color: str = "rgb"
    labels: Path | None = None
    task: str = "auto"
    activation: str = "auto"
    uint8_ends: bool = False
    approximate: bool = False
    """Allow rewrites whose answers differ a little, such as of GELU."""
    compiler: str | None = None
    compile_timeout: int = 180
    min_runtime_version: int = 14
    require_compiled: bool = False
    threads: int | None = None
    save_model: Path | None = None
    force: bool = False

    def __post_init__(self) -> None:
        _one_of("--mode", self.mode, MODES)
        _one_of("--engine", self.engine, ENGINES)
        _one_of("--task", self.task, TASKS)
        _one_of("--activation", self.activation, ("auto", *ACTIVATIONS))
        _one_of("--resize", self.resize, RESIZES)
        _one_of("--resample", self.resample, RESAMPLES)
        _one_of("--color", self.color, COLORS)
        _at_least("--samples", self.samples, 1, hint="100 to 200 are enough")
        _at_least("--seed", self.seed, 0, hint="any whole number will do")
        _at_least("--compile-timeout", self.compile_timeout, 1, hint="180 seconds are usual")
        if self.threads is not None:
            _at_least("--threads", self.threads, 1, hint="left out, it is all cores")
        targets: set[str] = set()
        for text in self.preprocess:
            target, _, declared = text.rpartition(":")
            parse_preprocess(declared)
            if target in targets:
                hint = "leave one of them out"
                raise ConfigError("--preprocess", text, "given once for an input", hint=hint)
            targets.add(target)

    def for_inputs(self, inputs: Sequence[tuple[str, ...]]) -> BuildSpec:
        """The spec for a model whose inputs have these names, each first its tensor's own.

        "INPUT:..." may use any name of an input; ConfigError where it names none.
        """
        own = {name: names[0] for names in reversed(inputs) for name in names}
        own |= {names[0]: names[0] for names in inputs}
        declared = []
        for text in self.preprocess:
            target, _, what = text.rpartition(":")
            if target and target not in own:
                known = ", ".join(names[0] for names in inputs)
                allowed = f"for an input of the model: {known}"
                hint = "leave INPUT: out where it is for all inputs"
                raise ConfigError("--preprocess", text, allowed, hint=hint)
            declared.append(f"{own[target]}:{what}" if target else text)
        return replace(self, preprocess=tuple(declared))

    def preprocessing_of(self, name: str) -> Preprocessing | None:
        """What is declared for the model input ``name``; None where nothing is."""
        chosen: str | None = None
        for text in self.preprocess:
            target, _, declared = text.rpartition(":")
            if target == name:
                chosen = declared
                break
            if not target:
                chosen = declared
        if chosen is None:
            return None
        numbers = parse_preprocess(chosen)
        return replace(self.picture_only, mean=numbers.mean, std=numbers.std)

    @property
    def picture_only(self) -> Preprocessing:
        """How pictures are read where no arithmetic is declared: pixels as they are."""
        return Preprocessing(resize=self.resize, resample=self.resample, color=self.color)


def parse_preprocess(text: str) -> Preprocessing:
    """``"[0,1]"``, ``"[-1,1]"``, ``"[0,255]"``, ``"imagenet"`` or ``"mean=...,std=..."``."""
    squeezed = text.replace(" ", "").lower()
    if squeezed in NAMED:
        mean, std = NAMED[squeezed]
        return Preprocessing(mean=mean, std=std)
    number = r"[-+]?[0-9.]+(?:e[-+]?[0-9]+)?"
    numbers = rf"{number}(?:,{number})*"
    match = re.fullmatch(rf"mean=({numbers}),std=({numbers})", squeezed)
    allowed = '"[0,1]", "[-1,1]", "[0,255]", "imagenet" or "mean=M,std=S" (pixel units)'
    hint = 'most networks for pictures were trained with "[0,1]", "[-1,1]" or "imagenet"'
    if match is None:
        raise ConfigError("--preprocess", text, allowed, hint=hint)
    try:
        mean, std = (tuple(float(value) for value in group.split(",")) for group in match.groups())
    except ValueError as error:
        raise ConfigError("--preprocess", text, allowed, hint=hint) from error
    if len(mean) != len(std) and 1 not in (len(mean), len(std)):
        allowed = "as many means as stds, or one of either"
        raise ConfigError("--preprocess", text, allowed, hint="a number each, or one for all")
    if 0 in std:
        hint = "mean=127.5,std=127.5 makes pixels -1 to 1"
        raise ConfigError("std in --preprocess", 0, "a number other than 0", hint=hint)
    if any(abs(value) < 1 for value in std) or (0 < max(mean) <= 1 and max(std) <= 1):
        raise ConfigError(
            "--preprocess",
            text,
            "in pixel units, 0 to 255",
            hint="multiply means and stds that are meant for values of 0 to 1 by 255",
        )
    return Preprocessing(mean=mean, std=std)


def read_config(path: Path) -> dict[str, Any]:
    """The ``[build]`` table of an edgeq.toml, with underscores for hyphens, keys checked."""
    table = _load_toml(path).get("build", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: build", table, "a table: [build]")
    known = {field.name: field for field in fields(BuildSpec)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in known:
            raise InputError(path, f"there is no key build.{key}", hint=_names(known))
        values[name] = _typed(f"{path}: build.{key}", value, str(known[name].type), path.parent)
    return values


def build_spec(options: dict[str, Any], config: Path | None) -> BuildSpec:
    """Options (None: not given) over the keys of ``config`` over the defaults."""
    file = config
    if file is None and Path(CONFIG_FILE).is_file() and not options.get("model"):
        file = Path(CONFIG_FILE)
    values = read_config(file) if file is not None else {}
    values.update({key: value for key, value in options.items() if value is not None})
    spec = BuildSpec(**values)
    if not spec.model:
        hint = f"edgeq build MODEL ..., or model = ... in {CONFIG_FILE}"
        raise ConfigError("MODEL", None, "a model", hint=hint)
    return spec


def _load_toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return dict(tomllib.loads(path.read_text("utf-8")))
    except FileNotFoundError as error:
        raise InputError(path, "no such file", hint="name an edgeq.toml with --config") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read ({error})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), str(error), "valid TOML") from error


def _typed(key: str, value: Any, kind: str, folder: Path) -> Any:
    """A TOML value as the field's type; paths are relative to the file's folder."""
    if kind.startswith("tuple"):
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in values):
            raise ConfigError(key, value, "text or a list of texts")
        return tuple(values)
    wanted: tuple[type, str]
    if kind.startswith("bool"):
        wanted = (bool, "true or false")
    elif kind.startswith("int"):
        wanted = (int, "a whole number")
    else:
        wanted = (str, "text")
    if not isinstance(value, wanted[0]) or (wanted[0] is int and isinstance(value, bool)):
        raise ConfigError(key, value, wanted[1])
    if kind.startswith("Path"):
        return folder / str(value)
    is_file = key.endswith(("model", "calibration", "compiler")) and (folder / str(value)).exists()
    return str(folder / str(value)) if is_file else value


def _names(known: dict[str, Any]) -> str:
    return "known keys: " + ", ".join(name.replace("_", "-") for name in known)


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        hint = f"left out, it is {allowed[0]}"
        raise ConfigError(key, value, "one of " + ", ".join(allowed), hint=hint)


def _at_least(key: str, value: int, least: int, *, hint: str) -> None:
    if value < least:
        raise ConfigError(key, value, f"at least {least}", hint=hint)
