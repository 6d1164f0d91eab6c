"""Edge TPUs as the kernel shows them: USB ids and speed, PCIe nodes, permissions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq_device.errors import ConfigError
from edgeq_device.hardware import Device, NoDevice, find_devices, pick_device

WAITING, RUNNING = ("1a6e", "089a"), ("18d1", "9302")


class Kernel:
    """Writes the files of a kernel that has the devices we want."""

    def __init__(self, root: Path) -> None:
        self.sys = root / "sys"
        self.dev = root / "dev"
        self.dev.mkdir(parents=True)
        self.sys.mkdir()

    def usb(self, port: str, ids: tuple[str, str], speed: str = "5000", node: bool = True) -> Path:
        folder = self.sys / "bus" / "usb" / "devices" / port
        folder.mkdir(parents=True)
        bus, number = int(port.split("-")[0]), len(list(folder.parent.iterdir())) + 1
        files = {"idVendor": ids[0], "idProduct": ids[1], "speed": speed}
        for name, text in {**files, "busnum": str(bus), "devnum": str(number)}.items():
            (folder / name).write_text(text + "\n")
        path = self.dev / "bus" / "usb" / f"{bus:03d}" / f"{number:03d}"
        if node:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return path

    def pci(self, address: str, ids: tuple[str, str] = ("0x1ac1", "0x089a")) -> Path:
        folder = self.sys / "bus" / "pci" / "devices" / address
        folder.mkdir(parents=True)
        (folder / "vendor").write_text(ids[0] + "\n")
        (folder / "device").write_text(ids[1] + "\n")
        return folder

    def apex(self, index: int, pci_folder: Path | None = None, node: bool = True) -> Path:
        folder = self.sys / "class" / "apex" / f"apex_{index}"
        folder.mkdir(parents=True)
        if pci_folder:
            (folder / "device").symlink_to(pci_folder)
        path = self.dev / f"apex_{index}"
        if node:
            path.touch()
        return path


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel(tmp_path)
    monkeypatch.setenv("EDGEQ_SYSFS", str(made.sys))
    monkeypatch.setenv("EDGEQ_DEV", str(made.dev))
    return made


def refuse(monkeypatch: pytest.MonkeyPatch, node: Path) -> None:
    """Make ``node`` one that this user may not open (root may open any file)."""
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != node and real(path, mode))


def test_nothing(kernel: Kernel) -> None:
    assert find_devices() == ()
    assert pick_device(()) == NoDevice(
        "no Edge TPU found (no USB or PCIe device)",
        "plug it into a USB 3 port, without a hub; lsusb must show 1a6e:089a or 18d1:9302",
    )


def test_other_devices_are_not_ours(kernel: Kernel) -> None:
    kernel.usb("1-1", ("18d1", "4ee7"))
    kernel.usb("1-2", ("1a6e", "0001"))
    (kernel.sys / "bus" / "usb" / "devices" / "usb1").mkdir()
    kernel.pci("0000:00:02.0", ("0x8086", "0x089a"))
    assert find_devices() == ()


def test_running_stick(kernel: Kernel) -> None:
    node = kernel.usb("2-1", RUNNING)
    assert find_devices() == (
        Device(
            kind="usb",
            label="usb:0",
            path=str(kernel.sys / "bus" / "usb" / "devices" / "2-1"),
            address="2-1",
            node=str(node),
            state="ready",
            speed=5000,
        ),
    )


def test_fresh_stick_on_a_slow_port(kernel: Kernel) -> None:
    kernel.usb("1-1.4", WAITING, speed="480")
    (device,) = find_devices()
    assert (device.state, device.speed, device.address) == ("no firmware", 480, "1-1.4")
    assert device.can_open
    assert pick_device((device,)) == device


def test_sticks_without_firmware_come_first(kernel: Kernel) -> None:
    kernel.usb("2-1", RUNNING)
    kernel.usb("2-2.3", WAITING)
    kernel.usb("10-1", RUNNING)
    assert [(device.label, device.address) for device in find_devices()] == [
        ("usb:0", "2-2.3"),
        ("usb:1", "2-1"),
        ("usb:2", "10-1"),
    ]


def test_pcie(kernel: Kernel) -> None:
    first = kernel.apex(0, kernel.pci("0000:01:00.0"))
    kernel.apex(10, kernel.pci("0000:03:00.0"))
    kernel.apex(2, kernel.pci("0000:02:00.0"))
    devices = find_devices()
    assert [(device.label, device.path, device.address) for device in devices] == [
        ("pci:0", str(first), "0000:01:00.0"),
        ("pci:1", str(kernel.dev / "apex_2"), "0000:02:00.0"),
        ("pci:2", str(kernel.dev / "apex_10"), "0000:03:00.0"),
    ]
    assert {(device.kind, device.state, device.speed) for device in devices} == {
        ("pci", "ready", None)
    }


def test_pcie_card_without_driver(kernel: Kernel) -> None:
    kernel.pci("0000:01:00.0")
    (device,) = find_devices()
    assert (device.label, device.state, device.address) == ("", "no driver", "0000:01:00.0")
    assert pick_device((device,)) == NoDevice(
        "the PCIe Edge TPU at 0000:01:00.0 has no driver",
        "install gasket-dkms and libedgetpu1-std, then reboot; /dev/apex_0 must appear",
    )
    assert pick_device((device,), ":0") == NoDevice("no Edge TPU :0", "found: none")


def test_driver_without_node_is_no_driver(kernel: Kernel) -> None:
    kernel.apex(0, kernel.pci("0000:01:00.0"), node=False)
    assert [device.state for device in find_devices()] == ["no driver"]


def test_one_of_two_cards_has_a_driver(kernel: Kernel) -> None:
    kernel.pci("0000:01:00.0")
    kernel.apex(0, kernel.pci("0000:02:00.0"))
    devices = find_devices()
    assert [(device.label, device.state) for device in devices] == [
        ("pci:0", "ready"),
        ("", "no driver"),
    ]
    chosen = pick_device(devices)
    assert isinstance(chosen, Device)
    assert chosen.address == "0000:02:00.0"


def test_no_permission(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    node = kernel.usb("2-1", RUNNING)
    refuse(monkeypatch, node)
    (device,) = find_devices()
    assert (device.state, device.label, device.can_open) == ("no access", "usb:0", False)
    assert pick_device((device,), "usb:0") == NoDevice(
        f"no permission to open {node}",
        "install libedgetpu1-std, which brings the udev rule, add yourself to the group plugdev, "
        "log in again and replug the device",
    )


def test_no_permission_on_pcie_names_its_group(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, kernel.apex(0))
    chosen = pick_device(find_devices())
    assert isinstance(chosen, NoDevice)
    assert "the group apex," in chosen.hint


def test_container_without_the_node(kernel: Kernel) -> None:
    kernel.usb("2-1", RUNNING, node=False)
    (device,) = find_devices()
    assert device.state == "no node"
    assert pick_device((device,)) == NoDevice(
        f"the USB Edge TPU at 2-1 has no device file {kernel.dev}/bus/usb/002/002",
        "in a container, pass /dev/bus/usb through (docker run --device /dev/bus/usb)",
    )


def test_any_device_means_one_that_opens(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, kernel.usb("2-1", RUNNING))
    kernel.usb("2-2", RUNNING)
    chosen = pick_device(find_devices(), "usb")
    assert isinstance(chosen, Device)
    assert chosen.address == "2-2"


@pytest.mark.parametrize(
    ("wanted", "address"),
    [
        ("", "0000:01:00.0"),
        ("pci", "0000:01:00.0"),
        ("pci:0", "0000:01:00.0"),
        (":0", "0000:01:00.0"),
        ("usb", "2-1"),
        ("usb:0", "2-1"),
        ("usb:1", "2-2"),
        (":2", "2-2"),
    ],
)
def test_device_strings(kernel: Kernel, wanted: str, address: str) -> None:
    kernel.usb("2-1", RUNNING)
    kernel.usb("2-2", RUNNING)
    kernel.apex(0, kernel.pci("0000:01:00.0"))
    chosen = pick_device(find_devices(), wanted)
    assert isinstance(chosen, Device)
    assert chosen.address == address


@pytest.mark.parametrize(
    ("wanted", "reason", "hint"),
    [
        ("usb:1", "no Edge TPU usb:1", "found: usb:0"),
        (":1", "no Edge TPU :1", "found: usb:0"),
        ("pci", "no PCIe Edge TPU found", "found: usb:0"),
        ("pci:0", "no PCIe Edge TPU found", "found: usb:0"),
    ],
)
def test_device_that_is_not_there(kernel: Kernel, wanted: str, reason: str, hint: str) -> None:
    kernel.usb("2-1", RUNNING)
    assert pick_device(find_devices(), wanted) == NoDevice(reason, hint)


@pytest.mark.parametrize("wanted", ["banana", "usb:x", "usb:-1", "USB", ":", "usb:", "usb:0 "])
def test_wrong_device_string(wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        pick_device((), wanted)
    assert str(caught.value) == (
        f"--device is {wanted!r}, but must be usb, pci, :N, usb:N or pci:N"
    )


@given(st.dictionaries(st.sampled_from(["speed", "busnum", "devnum"]), st.binary(max_size=8)))
def test_damaged_files_of_the_kernel(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        made = Kernel(tmp_path_factory.mktemp("kernel"))
        patch.setenv("EDGEQ_SYSFS", str(made.sys))
        patch.setenv("EDGEQ_DEV", str(made.dev))
        made.usb("2-1", RUNNING)
        for name, raw in files.items():
            (made.sys / "bus" / "usb" / "devices" / "2-1" / name).write_bytes(raw)
        (device,) = find_devices()
    assert device.address == "2-1"
    assert device.speed is None or device.speed >= 0


def test_this_machine() -> None:
    for device in find_devices():
        assert device.kind in ("usb", "pci")
        assert Path(device.node).exists() or not device.can_open
