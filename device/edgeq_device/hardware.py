"""Which Edge TPUs this machine has, read from the kernel's files alone; libedgetpu is not touched.

``$EDGEQ_SYSFS`` and ``$EDGEQ_DEV`` stand for ``/sys`` and ``/dev``. On a system without sysfs (not
Linux) nothing is found.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edgeq_device.errors import ConfigError

USB_WAITING = ("1a6e", "089a")
"""A stick that was plugged in and has no firmware yet (Global Unichip Corp.)."""
USB_RUNNING = ("18d1", "9302")
"""The same stick once a driver has sent the firmware (Google Inc.)."""
PCI = ("1ac1", "089a")
SUPERSPEED = 5000
"""Mbit/s of USB 3; a stick on a slower port works, several times slower."""

_DEVICE = re.compile(r"(usb|pci)?(?::(\d+))?")
_RULE_HINT = (
    "install libedgetpu1-std, which brings the udev rule, add yourself to the group {group}, "
    "log in again and replug the device"
)


@dataclass(frozen=True)
class Device:
    """One Edge TPU as the kernel shows it."""

    kind: str
    """"usb" or "pci"."""
    label: str
    """The device string that selects it now: "usb:0", "pci:0"; "" where no driver can open it.

    A USB index may change when a stick gets its firmware: those without come first.
    """
    path: str
    """What libedgetpu calls it: a USB device's sysfs folder, or /dev/apex_N."""
    address: str
    """Bus and port ("2-1"), or the PCI address ("0000:01:00.0"); "" where unknown."""
    node: str
    """The device file that must be opened; "" where there is none."""
    state: str
    """"ready", "no firmware" (as good as ready), "no access", "no node" or "no driver"."""
    speed: int | None = None
    """USB only: Mbit/s of the port."""

    @property
    def can_open(self) -> bool:
        """True where nothing that the kernel shows stands in the way."""
        return self.state in ("ready", "no firmware")


@dataclass(frozen=True)
class NoDevice:
    """Why there is no Edge TPU to use, as a sentence, and what to do."""

    reason: str
    hint: str = ""


def find_devices() -> tuple[Device, ...]:
    """Every Edge TPU, in the order in which libedgetpu counts them: PCIe, then USB.

    Within USB the sticks without firmware come first, as in libedgetpu's own list.
    """
    sys_root = Path(os.environ.get("EDGEQ_SYSFS") or "/sys")
    dev_root = Path(os.environ.get("EDGEQ_DEV") or "/dev")
    found = [*_pci(sys_root, dev_root), *_usb(sys_root, dev_root)]
    counts = {"usb": 0, "pci": 0}
    labelled = []
    for device in found:
        if device.state == "no driver":
            labelled.append(device)
            continue
        labelled.append(replace(device, label=f"{device.kind}:{counts[device.kind]}"))
        counts[device.kind] += 1
    return tuple(labelled)


def pick_device(devices: tuple[Device, ...], wanted: str = "") -> Device | NoDevice:
    """The device that ``wanted`` selects: "", "usb", "pci", ":1", "usb:0", "pci:0".

    Without an index the first one that can be opened. ConfigError for any other text.
    """
    match = _DEVICE.fullmatch(wanted)
    if match is None:
        raise ConfigError("--device", wanted, "usb, pci, :N, usb:N or pci:N")
    kind, index = match.groups()
    of_kind = [device for device in devices if kind in (None, device.kind)]
    if not of_kind:
        return _nothing(kind, devices)
    if index is None:
        chosen = next((device for device in of_kind if device.can_open), of_kind[0])
    else:
        counted = [device for device in of_kind if device.label]
        if int(index) >= len(counted):
            labels = ", ".join(device.label for device in devices if device.label) or "none"
            return NoDevice(f"no Edge TPU {wanted}", f"found: {labels}")
        chosen = counted[int(index)]
    return chosen if chosen.can_open else _obstacle(chosen)


def _nothing(kind: str | None, devices: tuple[Device, ...]) -> NoDevice:
    if kind is None:
        return NoDevice(
            "no Edge TPU found (no USB or PCIe device)",
            "plug it into a USB 3 port, without a hub; lsusb must show 1a6e:089a or 18d1:9302",
        )
    name = {"usb": "USB", "pci": "PCIe"}[kind]
    labels = ", ".join(device.label or device.address for device in devices)
    return NoDevice(f"no {name} Edge TPU found", f"found: {labels}" if labels else "")


def _obstacle(device: Device) -> NoDevice:
    if device.state == "no driver":
        return NoDevice(
            f"the PCIe Edge TPU at {device.address} has no driver",
            "install gasket-dkms and libedgetpu1-std, then reboot; /dev/apex_0 must appear",
        )
    if device.state == "no node":
        return NoDevice(
            f"the USB Edge TPU at {device.address} has no device file {device.node}",
            "in a container, pass /dev/bus/usb through (docker run --device /dev/bus/usb)",
        )
    group = "plugdev" if device.kind == "usb" else "apex"
    return NoDevice(f"no permission to open {device.node}", _RULE_HINT.format(group=group))


def _usb(sys_root: Path, dev_root: Path) -> list[Device]:
    found: dict[tuple[str, str], list[Device]] = {USB_WAITING: [], USB_RUNNING: []}
    for folder in _folders(sys_root / "bus" / "usb" / "devices"):
        ids = (_read(folder / "idVendor"), _read(folder / "idProduct"))
        if ids not in found:
            continue
        bus, number = _number(folder / "busnum"), _number(folder / "devnum")
        node = dev_root / "bus" / "usb" / f"{bus or 0:03d}" / f"{number or 0:03d}"
        good = "no firmware" if ids == USB_WAITING else "ready"
        state = good if _openable(node) else "no access" if node.exists() else "no node"
        speed = _number(folder / "speed")
        found[ids].append(Device("usb", "", str(folder), folder.name, str(node), state, speed))
    return [*found[USB_WAITING], *found[USB_RUNNING]]


def _pci(sys_root: Path, dev_root: Path) -> list[Device]:
    found = []
    driven = set()
    for folder in _folders(sys_root / "class" / "apex"):
        node = dev_root / folder.name
        if not folder.name.startswith("apex_") or not node.exists():
            continue
        link = folder / "device"
        address = link.resolve().name if link.exists() else ""
        driven.add(address)
        state = "ready" if _openable(node) else "no access"
        found.append(Device("pci", "", str(node), address, str(node), state))
    for folder in _folders(sys_root / "bus" / "pci" / "devices"):
        ids = (_read(folder / "vendor")[2:], _read(folder / "device")[2:])
        if ids == PCI and folder.name not in driven and "" not in driven:
            found.append(Device("pci", "", "", folder.name, "", "no driver"))
    return found


def _folders(parent: Path) -> Iterator[Path]:
    try:
        yield from sorted(parent.iterdir(), key=lambda folder: _natural(folder.name))
    except OSError:
        return  # no such bus here


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts apex_2 before apex_10 and 2-1 before 10-1."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip().lower()
    except OSError:
        return ""  # it may vanish while we look: the stick changes its identity


def _number(path: Path) -> int | None:
    text = _read(path).split(".")[0]  # 1.5 Mbit/s is a USB speed
    return int(text) if text.isdecimal() else None


def _openable(node: Path) -> bool:
    return os.access(node, os.R_OK | os.W_OK)
