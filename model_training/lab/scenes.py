"""The scenes: which household, how long, what happens when."""

from typing import Any

import msgspec

Attempt = tuple[str, str, str, dict[str, Any]]  # attack, attacker, victim, options


class Step(msgspec.Struct, frozen=True):
    """One thing that happens: an attack by `who` on `victim`, or an order to the device `who`."""

    at_s: float
    do: str
    who: str
    victim: str = ""
    options: dict[str, Any] = {}


class Scene(msgspec.Struct, frozen=True):
    """A recording to make; the seed moves addresses, periods and contents."""

    name: str
    household: str
    seconds: float
    steps: tuple[Step, ...]
    notes: str = ""
    loss: float = 0.0  # of all frames, at the switch


DEMO = Scene(
    "home-lan",
    "cottage",
    105,
    (
        Step(3, "boot", "tv"),
        Step(6, "command", "panel", "", {"commands": [0], "count": 1}),
        Step(13, "port_scan", "laptop", "camera", {"ports": "1-1000", "rate": 200}),
        Step(25, "flood", "dvr", "nas", {"kind": "syn", "rate": 800, "seconds": 4}),
        Step(36, "guess_passwords", "tablet", "camera", {"service": "telnet", "seconds": 9}),
        Step(44, "view", "phone", "", {"host": "@cloud", "path": "/", "period_s": 1.2}),
        Step(50, "mitm", "guest", "phone", {"two_way": True, "seconds": 12}),
        Step(64, "command", "panel", "", {"commands": [0], "count": 1}),
        Step(76, "replay_command", "tv", "lock", {"times": 8, "pause_s": 1.0}),
        Step(89, "mirai", "plug", "camera", {"knocks_per_second": 25, "seconds": 10}),
    ),
    "one household, six attacks one after the other, each from another host",
)
