"""A short real scene: namespaces up, real tools, labels as expected, nothing left behind."""

import os
import subprocess
from pathlib import Path

import pytest

from model_training.lab.network import APT_PACKAGES
from model_training.lab.record import record, write
from model_training.lab.scenes import Scene, Step
from tests.tools import require

TOOLS = (
    *("busybox", "dnsmasq", "ip", "lighttpd", "mosquitto", "mosquitto_pub", "mosquitto_sub"),
    *("nft", "nmap", "nsenter", "setpriv", "tcpdump"),
)
SCENE = Scene(
    "short",
    "flat",
    11,
    (
        Step(1, "boot", "tv"),
        Step(1, "coap_set", "hub", "", {"target": "@bulb", "period_s": 1.0}),
        Step(1, "ntp", "hub", "", {"server": "@router", "period_s": 1.0}),
        Step(1, "modbus", "meter"),
        Step(2, "modbus_poll", "hub", "", {"target": "@meter", "period_s": 0.2}),
        Step(1, "rtsp", "camera"),
        Step(4, "watch_rtsp", "nas", "", {"host": "@camera", "seconds": 6.0}),
        Step(2, "port_scan", "laptop", "camera", {"ports": "1-60", "rate": 60}),
        Step(3.5, "command", "panel", "", {"commands": [0], "count": 1}),
        Step(6.5, "replay_command", "guest", "lock", {"times": 2, "pause_s": 0.3}),
        Step(8, "starve_dhcp", "tv", "router", {"rate": 30.0, "seconds": 1.0}),
    ),
    loss=0.01,
)


@pytest.fixture
def namespaces_possible():
    if os.geteuid() != 0:
        pytest.skip("root: the lab makes network namespaces")
    for tool in TOOLS:
        require(tool, package=APT_PACKAGES[tool])
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"kernel: no network namespaces here: {probe.stderr.decode().strip()}")


def lab_namespaces():
    return {path.name for path in Path("/run/netns").glob(f"ewlab-{os.getpid()}-*")}


def lab_programs(word):
    commands = (path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline"))
    return [command for command in commands if word.encode() in command]


def answering_ports(recording):
    return {frame.src_port for frame in recording.frames if frame.protocol and frame.payload}


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.usefixtures("namespaces_possible")
def test_a_recorded_scene_is_labelled_and_leaves_nothing_behind(tmp_path):
    recording = record(SCENE, seed=5)
    entry = write(recording, tmp_path)

    subs = {label.sub for label in recording.labels if label.attack_class != "benign"}
    assert {"nmap_syn_scan", "nmap_syn_scan_response", "mqtt_command_replay"} <= subs
    assert "dhcp_starvation" in subs
    assert max(len(frame.payload) for frame in recording.frames if frame.src_port != 80) > 400
    assert entry["packets"] == len(recording.labels) == len(recording.frames)
    assert entry["packet_class_counts"]["Scan"] >= 120
    assert entry["packet_class_counts"]["benign"] > 100
    assert {53, 67, 80, 123, 502, 554, 1883, 5683} <= answering_ports(recording)
    assert not lab_namespaces()
    assert not lab_programs(f"ewlab-{os.getpid()}-")
