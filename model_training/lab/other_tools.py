"""Scenes beside the first ones: the same attacks by other tools, forgeries above ARP, lossy networks."""

from typing import Any

from model_training.lab.scenes import Attempt, Step

PLC = Step(1, "modbus", "meter")
POLLED = Step(2.5, "modbus_poll", "hub", "", {"target": "@meter", "period_s": 0.4})
STREAM = Step(1, "rtsp", "camera")
WATCHED = Step(3, "watch_rtsp", "nas", "", {"host": "@camera", "seconds": 30.0})
# what goes on meanwhile: a controller that is polled, a camera that is watched
BACKGROUND = (PLC, POLLED, STREAM, WATCHED)

TOOLS: dict[str, tuple[Attempt, Attempt, Attempt]] = {
    "mitm-ettercap": (
        ("mitm", "guest", "phone", {"tool": "ettercap", "seconds": 15}),
        ("mitm", "tv", "sensor1", {"tool": "ettercap", "peer": "hub", "seconds": 16}),
        ("mitm", "laptop", "tablet", {"tool": "ettercap", "two_way": False, "seconds": 14}),
    ),
    "mitm-names": (
        ("mitm", "guest", "phone", {"forged_names": True, "seconds": 15}),
        ("mitm", "dvr", "tablet", {"forged_names": True, "two_way": False, "seconds": 18}),
        ("mitm", "tv", "phone", {"forged_names": True, "tool": "ettercap", "seconds": 16}),
    ),
    "mitm-dhcp": (
        ("rogue_dhcp", "guest", "phone", {"others": ("tv", "lamp"), "seconds": 14}),
        ("rogue_dhcp", "laptop", "tablet", {"seconds": 12}),
        ("rogue_dhcp", "dvr", "plug", {"others": ("bulb", "lock", "tv"), "seconds": 16}),
    ),
    "mitm-icmp": (
        ("icmp_redirect", "tv", "phone", {"period_s": 1.0, "seconds": 12}),
        ("icmp_redirect", "guest", "phone", {"period_s": 3.0, "seconds": 16}),
        ("icmp_redirect", "laptop", "phone", {"period_s": 5.0, "seconds": 20}),
    ),
    "dos-slowhttptest": (
        ("http_dos", "tv", "camera", {"tool": "H", "workers": 150, "pause_s": 3, "seconds": 20}),
        ("http_dos", "guest", "nas", {"tool": "B", "workers": 80, "pause_s": 2, "seconds": 20}),
        ("http_dos", "laptop", "nas", {"tool": "X", "workers": 100, "seconds": 18}),
    ),
    "dos-leases": (
        ("starve_dhcp", "guest", "router", {"rate": 20.0, "seconds": 10}),
        ("starve_dhcp", "tv", "router", {"rate": 100.0, "seconds": 6}),
        ("starve_dhcp", "laptop", "router", {"rate": 6.0, "seconds": 15}),
    ),
    "guess-medusa": (
        ("crack", "guest", "nas", {"tool": "medusa", "service": "ftp", "tasks": 4, "seconds": 14}),
        ("crack", "tv", "dvr", {"tool": "medusa", "service": "http", "tasks": 2, "seconds": 10}),
        ("crack", "laptop", "camera", {"tool": "medusa", "tasks": 3, "seconds": 14}),
    ),
    "guess-ncrack": (
        ("crack", "laptop", "dvr", {"tool": "ncrack", "tasks": 3, "seconds": 15}),
        ("crack", "tv", "nas", {"tool": "ncrack", "service": "ftp", "tasks": 2, "seconds": 16}),
        ("crack", "guest", "dvr", {"tool": "ncrack", "service": "http", "tasks": 4, "seconds": 8}),
    ),
    "scan-masscan": (
        ("wide_scan", "plug", "", {"rate": 100, "seconds": 10}),
        ("wide_scan", "camera", "", {"rate": 20, "port": 5900, "seconds": 14}),
        ("wide_scan", "laptop", "", {"rate": 600, "port": 8443, "seconds": 6}),
    ),
    "scan-zmap": (
        ("wide_scan", "tv", "", {"tool": "zmap", "rate": 50, "port": 7547, "seconds": 10}),
        ("wide_scan", "dvr", "", {"tool": "zmap", "rate": 300, "port": 5555, "seconds": 6}),
        ("wide_scan", "guest", "", {"tool": "zmap", "rate": 10, "port": 3306, "seconds": 15}),
    ),
}  # fmt: skip

# of all frames the switch loses a share: retransmission, redelivery and repeated questions all around
LOSSES = (0.005, 0.02, 0.05)
LOSSY: dict[str, tuple[Attempt, Attempt, Attempt]] = {
    "lossy-mitm": (
        ("mitm", "guest", "phone", {"seconds": 15}),
        ("mitm", "dvr", "sensor1", {"peer": "hub", "seconds": 14}),
        ("mitm", "laptop", "tablet", {"two_way": False, "seconds": 14}),
    ),
    "lossy-scan": (
        ("port_scan", "guest", "camera", {"kind": "connect", "rate": 60, "ports": "1-400"}),
        ("port_scan", "tv", "nas", {"rate": 200}),
        ("port_scan", "laptop", "hub", {"ports": "1-100", "rate": 8}),
    ),
    "lossy-flood": (
        ("flood", "dvr", "nas", {"rate": 400, "port": 8080, "seconds": 6}),
        ("flood", "tv", "bulb", {"kind": "udp", "port": 5683, "rate": 600, "seconds": 5}),
        ("flood", "guest", "camera", {"kind": "icmp", "rate": 300, "seconds": 6}),
    ),
    "lossy-guess": (
        ("crack", "laptop", "nas", {"service": "ftp", "tasks": 4, "seconds": 14}),
        ("guess_passwords", "tv", "camera", {"workers": 2, "seconds": 14}),
        ("guess_passwords", "guest", "dvr", {"service": "http", "workers": 2, "seconds": 12}),
    ),
    "lossy-bot": (
        ("mirai", "plug", "camera", {"knocks_per_second": 20, "seconds": 18}),
        ("mirai", "bulb", "dvr", {"knocks_per_second": 5, "near_share": 0.5, "seconds": 22}),
        ("mirai", "dvr", "camera", {"knocks_per_second": 60, "control_port": 23, "seconds": 15}),
    ),
    "lossy-replay": (
        ("replay_command", "guest", "lock", {"times": 10, "pause_s": 1.0}),
        ("replay_datagram", "tv", "bulb", {"times": 20, "pause_s": 0.5}),
        ("replay_frames", "laptop", "plug", {"port": 9999, "times": 6, "rate": 5.0}),
    ),
}  # fmt: skip


def _knocks(who: str, pause_s: float) -> tuple[Step, ...]:
    ports = {"camera": [80, 554], "nas": [8080, 21], "hub": [1883], "dvr": [80], "router": [80]}
    return tuple(
        Step(4 + 3 * n, "knock", who, "", {"host": f"@{name}", "ports": known, "pause_s": pause_s})
        for n, (name, known) in enumerate(ports.items())
    )


_WATCH: dict[str, Any] = {"host": "@camera", "seconds": 30.0}
QUIET: dict[str, tuple[float, tuple[Step, ...]]] = {
    "plant": (45, (
        PLC, POLLED, Step(1, "modbus", "plug"),
        Step(3, "modbus_poll", "panel", "", {"target": "@plug", "period_s": 0.1, "writes": 0.5}),
        Step(3, "modbus_poll", "laptop", "", {"target": "@meter", "period_s": 2.0, "registers": 60}),
    )),
    "stream": (45, (
        STREAM, WATCHED, Step(6, "watch_rtsp", "phone", "", _WATCH), Step(1, "rtsp", "dvr", "", {"packets_per_second": 250.0}),
        Step(9, "watch_rtsp", "tablet", "", {"host": "@dvr", "seconds": 25.0}),
    )),
    "inventory": (45, (*_knocks("laptop", 1.0), *_knocks("tablet", 0.3))),
    "renewals": (40, tuple(Step(5 + 5 * n, "boot", who) for n, who in enumerate(("lamp", "plug", "tv", "lamp", "phone")))),
}  # fmt: skip
