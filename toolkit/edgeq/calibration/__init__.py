"""Samples: to calibrate with (`load_calibration`) and to evaluate on (`load_dataset`)."""

from edgeq.calibration.dataset import Dataset, load_dataset
from edgeq.calibration.load import load_calibration
from edgeq.calibration.values import CalibrationOptions, CalibrationSet

__all__ = [
    "CalibrationOptions",
    "CalibrationSet",
    "Dataset",
    "load_calibration",
    "load_dataset",
]
