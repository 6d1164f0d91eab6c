"""The user's own function: imported here, in the child, and asked for a model."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import tensorflow as tf

from edgeq.tensorflow_child.graphs import at_batch_one, true_batch
from edgeq.tensorflow_child.keras_models import from_keras
from edgeq.tensorflow_child.loading import Loaded, last_line
from edgeq.tensorflow_child.saved_models import from_concrete, named_ends
from edgeq_device.errors import EdgeqError, ModelError

_RETURNS = "let it return a Keras model or a tf.function with an input_signature"


def load_function(source: str, folder: str) -> Loaded:
    """``package.module:function``, imported as if Python had been started in ``folder``."""
    os.chdir(folder)
    sys.path.insert(0, folder)
    module_name, _, attribute = source.partition(":")
    target = _find(source, module_name, attribute)
    if not _is_model(target):
        if not callable(target):
            raise ModelError(source, f"is {_kind(target)}, no function", hint=_RETURNS)
        target = _run(source, target)
    return _from_object(source, target)


def _find(source: str, module_name: str, attribute: str) -> Any:
    importlib.invalidate_caches()
    try:
        target: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and module_name.startswith(error.name):
            raise ModelError(
                source,
                f"there is no Python module {error.name!r} in this folder or installed",
                hint="start edgeq in the folder that holds the module",
            ) from error
        raise _failed(source, "cannot be imported", error) from error
    except (Exception, SystemExit) as error:
        raise _failed(source, "cannot be imported", error) from error
    for name in attribute.split("."):
        if not hasattr(target, name):
            raise ModelError(
                source,
                f"{module_name} has no {name!r}",
                hint="name a function of that module: package.module:function",
            )
        target = getattr(target, name)
    return target


def _run(source: str, function: Any) -> Any:
    try:
        return function()
    except EdgeqError:
        raise
    except (Exception, SystemExit) as error:
        raise _failed(source, "failed", error) from error


def _failed(source: str, what: str, error: BaseException) -> ModelError:
    traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(str(Path.cwd()) + os.sep)]
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return ModelError(
        source, f"{what}: {last_line(error)}{place}", hint="run it in Python to see all of it"
    )


def _is_model(target: Any) -> bool:
    return (
        isinstance(target, tf.keras.Model)
        or hasattr(target, "get_concrete_function")
        or (hasattr(target, "structured_input_signature"))
    )


def _from_object(source: str, model: Any) -> Loaded:
    if isinstance(model, tf.keras.Model):
        return from_keras(source, model)
    if hasattr(model, "structured_input_signature"):
        return from_concrete(source, model)
    if hasattr(model, "get_concrete_function"):
        return from_concrete(source, _concrete(source, model))
    raise ModelError(source, f"returned {_kind(model)}", hint=_RETURNS)


def _concrete(source: str, function: Any) -> Any:
    """The tf.function traced by its own signature, or with batch 1 where that fixes another."""
    if getattr(function, "input_signature", None) is None:
        raise ModelError(
            source,
            "the tf.function has no input_signature",
            hint="@tf.function(input_signature=[tf.TensorSpec([None, 224, 224, 3], tf.float32)])",
        )
    try:
        concrete = function.get_concrete_function()
    except Exception as error:
        raise _failed(source, "cannot be traced", error) from error
    batch = true_batch(source, concrete, *named_ends(concrete))
    if batch is None:
        return concrete
    signature = tf.nest.map_structure(
        lambda spec: tf.TensorSpec(at_batch_one(spec.shape, batch), spec.dtype, spec.name),
        function.input_signature,
    )
    try:
        return tf.function(function.python_function, signature).get_concrete_function()
    except Exception as error:
        raise ModelError(
            source,
            f"cannot be traced with batch 1 instead of {batch}: {last_line(error)}",
            hint="give its input_signature the batch None or 1",
        ) from error


def _kind(value: Any) -> str:
    if value is None:
        return "nothing (None)"
    module = type(value).__module__
    return f"a {'' if module == 'builtins' else module + '.'}{type(value).__name__}"
