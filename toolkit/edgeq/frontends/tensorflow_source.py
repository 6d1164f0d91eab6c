"""A model that only TensorFlow can read, held by a TensorFlow process."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.frontends.child import TensorFlowChild
from edgeq.frontends.source import AffineMap, Source
from edgeq_device.errors import CalibrationError, ConfigError, ModelError, OutputError
from edgeq_device.progress import Progress, silent
from edgeq_device.tensors import Array, TensorSpec

MODES = ("float", "dynamic", "float-fallback", "integer")


class TensorFlowSource(Source):
    """Loads on construction; ``digest`` is a function so that it runs while TensorFlow starts."""

    can_convert = True

    def __init__(
        self,
        request: dict[str, Any],
        digest: Callable[[], str] | None,
        progress: Progress,
        child: TensorFlowChild | None,
    ) -> None:
        self.kind = request["kind"]
        self.name = request["source"]
        self._request = {"do": "load", **request}
        self._owns_child = child is None
        self._child = child or TensorFlowChild(lean=self.kind != "function")
        self._worker = ThreadPoolExecutor(1)
        self._numbers = itertools.count()
        progress("load", 0, 1)
        try:
            self._digest = digest() if digest else None
            answer = self._load()
        except BaseException:
            self.close()
            raise
        self.inputs = _specs(answer["inputs"])
        self.outputs = _specs(answer["outputs"])
        self.input_aliases = tuple(() for _ in self.inputs)
        self.notes = tuple(answer["notes"])
        self._versions: dict[str, str] = answer["versions"]
        # Made while the caller prepares its samples: it is asked for in any case
        self._float = self._worker.submit(self.convert, "float")
        progress("load", 1, 1)

    @property
    def versions(self) -> dict[str, str]:
        """TensorFlow's and Keras' versions."""
        return dict(self._versions)

    @property
    def digest(self) -> str:
        """sha256 of the file or folder; of the float .tflite for a function."""
        if self._digest is None:
            self._digest = hashlib.sha256(self.float_model()).hexdigest()
        return self._digest

    def float_model(self) -> bytes:
        """The float .tflite with static batch 1, made once."""
        return self._float.result()

    def integer_model(self) -> bytes:
        """Refuse: it is a float model."""
        raise ModelError(self.name, "is a float model, not an integer one")

    def convert(
        self,
        mode: str,
        samples: Sequence[Array] | None = None,
        affine: Sequence[AffineMap | None] | None = None,
        *,
        progress: Progress = silent,
    ) -> bytes:
        """A .tflite by TensorFlow's converter; see `Source.convert`."""
        if mode not in MODES:
            raise ConfigError("mode", mode, "one of " + ", ".join(MODES))
        if self._child.loaded is not self:
            self._load()
        number = next(self._numbers)
        output = self._child.folder / f"model-{number}.tflite"
        paths = self._write_samples(samples or (), number) if mode in MODES[2:] else []
        request = {
            "do": "convert",
            "mode": mode,
            "output": str(output),
            "samples": [str(path) for path in paths],
            "affine": [
                None if one is None else {"scale": list(one.scale), "offset": list(one.offset)}
                for one in affine or ()
            ],
        }
        try:
            self._child.ask(self.name, request, progress)
            return output.read_bytes()
        finally:
            for path in [*paths, output]:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """End the TensorFlow process, unless it was lent."""
        if self._owns_child:
            self._child.close()
        self._worker.shutdown()

    def _load(self) -> dict[str, Any]:
        self._child.loaded = None
        self._child.restart()
        answer = self._child.ask(self.name, self._request)
        self._child.loaded = self
        return answer

    def _write_samples(self, samples: Sequence[Array], conversion: int) -> list[Path]:
        if len(samples) != len(self.inputs):
            raise CalibrationError(
                self.name, f"has {len(self.inputs)} inputs, but samples for {len(samples)}"
            )
        paths = []
        for number, (array, spec) in enumerate(zip(samples, self.inputs)):
            self._check_samples(array, spec)
            path = self._child.folder / f"samples-{conversion}-{number}.npy"
            try:
                np.save(path, np.asarray(array, spec.dtype))
            except OSError as error:
                raise OutputError(
                    path,
                    f"cannot be written: {error.strerror or error}",
                    hint="set $TMPDIR to a folder with more space, or use fewer --samples",
                ) from error
            paths.append(path)
        return paths

    def _check_samples(self, array: Array, spec: TensorSpec) -> None:
        one = spec.shape[1:] if spec.shape[:1] == (1,) else spec.shape
        if len(array) == 0 or array.shape[1:] not in (one, spec.shape):
            raise CalibrationError(
                self.name,
                f"samples of shape {list(array.shape)} for input {spec.name!r}, "
                f"which takes {['N', *one]}",
            )


def _specs(ports: Sequence[Any]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name, tuple(shape), dtype) for name, shape, dtype in ports)
