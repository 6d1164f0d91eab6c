"""Folders of pictures, with or without one subfolder per class."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from edgeq_device.errors import InputError

PICTURE_SUFFIXES = frozenset(
    f".{name}"
    for names in (
        "apng avif avifs blp bmp bw cur dcx dds dib fit fits flc fli ftc ftu gbr gif icb icns ico",
        "im j2c j2k jfif jp2 jpc jpe jpeg jpf jpg jpx mpo msp pbm pcd pcx pfm pgm png pnm ppm psd",
        "pxr qoi ras rgb rgba sgi tga tif tiff vda vst webp xbm xpm",
    )
    for name in names.split()
)
"""What pillow reads by itself, so without movies, HDF5 (a Keras model ends in .h5), PostScript.

A list of our own, because two versions of pillow must find the same pictures in a folder."""


@dataclass(frozen=True)
class ClassFolder:
    """One class of a data set: the subfolder's name, and the pictures in and below it, sorted."""

    name: str
    pictures: tuple[Path, ...]


def list_pictures(folder: Path | str) -> tuple[Path, ...]:
    """All pictures in and below a folder, sorted by their path; never empty.

    Hidden files and hidden folders are left out; links to folders are followed, each folder once.
    InputError where the folder is missing, unreadable or holds no picture.
    """
    pictures = _walk(_existing(Path(folder)))
    if not pictures:
        raise InputError(
            folder,
            "no pictures in this folder",
            hint="give a folder that holds pictures (.jpg, .png, ...), itself or in subfolders",
        )
    return pictures


def class_folders(folder: Path | str) -> tuple[ClassFolder, ...]:
    """The classes of a data set with one subfolder per class, sorted by name; never empty.

    A subfolder without pictures counts as a class, as it holds a place in the sorted order.
    InputError where the folder is missing, unreadable, or no subfolder holds a picture.
    """
    folder = _existing(Path(folder))
    try:
        children = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as cause:
        _refuse(cause)
    found = tuple(
        ClassFolder(child.name, _walk(child))
        for child in children
        if child.is_dir() and not child.name.startswith(".")
    )
    if not any(each.pictures for each in found):
        raise InputError(
            folder,
            "no subfolders with pictures",
            hint="make one subfolder per class, named as its label, with that class's pictures",
        )
    return found


def _existing(folder: Path) -> Path:
    if not folder.exists():
        raise InputError(folder, "no such folder", hint="check the path")
    if not folder.is_dir():
        raise InputError(folder, "not a folder", hint="give the folder that holds the pictures")
    return folder


def _refuse(cause: OSError) -> NoReturn:
    problem = f"could not be read ({cause.strerror})"
    raise InputError(cause.filename, problem, hint="check its permissions") from cause


def _walk(folder: Path) -> tuple[Path, ...]:
    pictures: list[Path] = []
    seen = set()
    for root, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:  # a link back up would go round for ever
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        pictures += [
            Path(root, name)
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES
        ]
    return tuple(sorted(pictures, key=lambda path: path.relative_to(folder).parts))
