"""Which member names a bundle may hold."""

from __future__ import annotations

import re

from edgeq_device.bundle.layout import MAX_NAME

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


def unsafe_name(name: str) -> str:
    """Why this name may not stand in a bundle: the rest of "a member's name ..."; "" if it may."""
    if name.startswith("/"):
        return "is absolute"
    if "\\" in name:
        return "holds a backslash"
    if re.match(r"[A-Za-z]:", name):
        return "starts with a drive letter"
    if ".." in name.split("/"):
        return 'holds ".."'
    if name.endswith("/"):
        return "is a folder's"
    if len(name) > MAX_NAME:
        return f"is longer than {MAX_NAME} characters"
    if not _PLAIN.fullmatch(name):
        return "holds more than letters, digits and . _ - between single slashes"
    return ""
