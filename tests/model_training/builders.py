"""Small captures, frames and observations to label."""

import hashlib
import struct
from pathlib import Path

import msgspec
import numpy as np

from agent.records import Observations
from contract.features import FEATURE_COUNT
from model_training.labels import FrameLabels, class_index, ip_halves
from model_training.window_labels import FrameSenders

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS


def frame(src: int, dst: int, src_ip: str, dst_ip: str, *, port: int = 80) -> bytes:
    """Return an Ethernet frame with a TCP SYN."""
    tcp = struct.pack(">HHIIBBHHH", 40_000, port, 1, 0, 5 << 4, 2, 1024, 0, 0)
    addresses = bytes(map(int, src_ip.split("."))) + bytes(map(int, dst_ip.split(".")))
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0) + addresses
    return dst.to_bytes(6) + src.to_bytes(6) + b"\x08\x00" + ip + tcp


def write_pcap(path: Path, frames: list[tuple[float, bytes]]) -> None:
    """Write frames with their seconds since the start."""
    packed = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for seconds, data in frames:
        whole = int(seconds)
        head = (1_700_000_000 + whole, round((seconds - whole) * 1e6), len(data), len(data))
        packed.append(struct.pack("<IIII", *head) + data)
    path.write_bytes(b"".join(packed))


def write_capture(
    folder: Path, name: str, frames: list[tuple[float, bytes, str]], **entry: object
):
    """Write a labelled capture and add it to the folder's manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    write_pcap(folder / name, [(seconds, data) for seconds, data, _ in frames])
    labels = "frame,class,sub\n" + "".join(f"{n},{f[2]},\n" for n, f in enumerate(frames, 1))
    (folder / f"{name}.labels.csv").write_text(labels)
    described = {
        "file": name,
        "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
        "packets": len(frames),
        "seconds": frames[-1][0] - frames[0][0],
        "classes": sorted({label for _, _, label in frames}),
        "origin": {"repository": "somebody/captures"},
        "split": "train",
        "labels_file": f"{name}.labels.csv",
        **entry,
    }
    manifest = folder / "manifest.json"
    others = msgspec.json.decode(manifest.read_bytes()) if manifest.exists() else []
    manifest.write_bytes(msgspec.json.encode([*others, described]))


def observations(hosts: list[tuple[int, int | str]]) -> Observations:
    """Return observations of (second, MAC) or (second, IP) hosts, all features 0."""
    count = len(hosts)
    start = np.array([START_NS + second * SECOND_NS for second, _ in hosts], np.int64)
    halves = [ip_halves(host) if isinstance(host, str) else (0, 0) for _, host in hosts]
    zero = np.zeros(count, np.uint64)
    return Observations(
        window_start_ns=start,
        window_end_ns=start + SECOND_NS,
        is_ip_host=np.array([isinstance(host, str) for _, host in hosts], np.bool_),
        src_mac=np.array([0 if isinstance(h, str) else h for _, h in hosts], np.uint64),
        src_ip_high=np.array([high for high, _ in halves], np.uint64),
        src_ip_low=np.array([low for _, low in halves], np.uint64),
        dst_ip_high=zero,
        dst_ip_low=zero,
        bridge_port=np.zeros(count, np.int16),
        packets=np.ones(count, np.int64),
        wire_bytes=np.ones(count, np.int64),
        sampled_one_in=np.ones(count, np.int32),
        shared_mac=np.zeros(count, np.bool_),
        features=np.zeros((count, FEATURE_COUNT), np.float32),
    )


def senders(frames: list[tuple[float, int, str, int]]) -> FrameSenders:
    """Return frames of (second, source MAC, source IP, destination MAC)."""
    halves = [ip_halves(ip) for _, _, ip, _ in frames]
    return FrameSenders(
        np.array([START_NS + round(s * SECOND_NS) for s, *_ in frames], np.int64),
        np.array([mac for _, mac, _, _ in frames], np.uint64),
        np.array([high for high, _ in halves], np.uint64),
        np.array([low for _, low in halves], np.uint64),
        np.array([mac for *_, mac in frames], np.uint64),
    )


def frame_labels(labels: list[tuple[str, str]]) -> FrameLabels:
    """Return labels of frames from (class, sub)."""
    return FrameLabels(
        np.array([class_index(name, sub) for name, sub in labels], np.int8),
        np.array([sub.endswith("_response") for _, sub in labels], np.bool_),
        np.array([sub.startswith("mirai_cnc") for _, sub in labels], np.bool_),
        np.array([sub == "rogue_dhcp_server" for _, sub in labels], np.bool_),
    )
