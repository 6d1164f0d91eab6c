"""The child's loop: one request a line in, one answer a line out."""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from edgeq_device.errors import EdgeqError, InputError, MissingTool, ModelError

if TYPE_CHECKING:
    from edgeq.tensorflow_child.loading import Loaded

Say = Callable[[dict[str, Any]], None]


_NOT_NEEDED = ("matplotlib", "pandas", "scipy", "sklearn")
"""What Keras imports where it is installed: half of its import time, for nothing used here."""


def main(lean: bool = False) -> None:
    """Serve requests until stdin ends, with stdout reserved for answers.

    ``lean``: no user's function will be imported, so Keras may go without what it can.
    """
    requests, say = _private_pipes()
    session = _Session(say)
    with suppress(MissingTool), _quickly(_NOT_NEEDED if lean else ()):  # said at the first request
        _import_tensorflow()
    for line in requests:
        say(_answer(session, json.loads(line)))


def _answer(session: _Session, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"answer": session.serve(request)}
    except EdgeqError as error:
        return {"error": _facts(error)}
    except OSError as error:
        return {"error": {"type": "OutputError", **_os_facts(error)}}
    except Exception:
        return {"bug": traceback.format_exc()}


class _Session:
    """The model that was loaded last, and what can be done with it."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._loaded: Loaded | None = None

    def serve(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "load":
            return self._load(request)
        return self._convert(request)

    def _load(self, request: dict[str, Any]) -> dict[str, Any]:
        _import_tensorflow()
        from edgeq.tensorflow_child.converting import settle_outputs
        from edgeq.tensorflow_child.loading import describe, load

        self._loaded = None
        loaded = load(request["kind"], request["source"], request["path"], request["folder"])
        self._loaded = settle_outputs(loaded)
        return describe(self._loaded)

    def _convert(self, request: dict[str, Any]) -> dict[str, Any]:
        from edgeq.tensorflow_child.converting import Conversion, convert

        if self._loaded is None:
            raise RuntimeError("convert was asked for before load")
        conversion = Conversion(
            mode=request["mode"],
            output=request["output"],
            samples=tuple(request.get("samples", ())),
            affine=tuple(request.get("affine") or ()),
        )
        return convert(self._loaded, conversion, self._progress)

    def _progress(self, stage: str, done: int, total: int) -> None:
        self._say({"progress": [stage, done, total]})


def _private_pipes() -> tuple[Any, Say]:
    """Keep stdin and stdout for the protocol; everyone else gets /dev/null and stderr."""
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    return requests, say


@contextmanager
def _quickly(hidden: Sequence[str]) -> Iterator[None]:
    """Import with these packages hidden, and without looking for garbage that is not there."""
    hidden = [name for name in hidden if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        for name in hidden:
            del sys.modules[name]


def _import_tensorflow() -> None:
    try:
        import absl.logging
        import tensorflow  # noqa: F401

        absl.logging.set_verbosity(absl.logging.ERROR)
    except Exception as error:  # a broken installation raises what it likes
        raise MissingTool(
            "tensorflow",
            f"cannot be imported ({type(error).__name__}: {error})",
            hint='pip install "edgeq[toolkit]"',
        ) from error


def _os_facts(error: OSError) -> dict[str, str]:
    return {
        "path": str(error.filename or ""),
        "problem": f"cannot be written: {error.strerror or error}",
        "hint": "free some space, or set $TMPDIR to a folder with more",
    }


def _facts(error: EdgeqError) -> dict[str, Any]:
    facts = {"type": type(error).__name__, "hint": error.hint}
    if isinstance(error, (ModelError, InputError)):
        return {**facts, "path": error.path, "problem": error.problem}
    if isinstance(error, MissingTool):
        return {**facts, "path": error.tool, "problem": str(error).split(": ", 1)[1]}
    return {**facts, "path": "", "problem": error.sentence}


if __name__ == "__main__":
    main()
