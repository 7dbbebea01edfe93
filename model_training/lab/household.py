"""Benign households: which devices live there, what they serve and what they do by themselves."""

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

VENDORS = {  # OUIs as registered with the IEEE
    "espressif": "24:0a:c4",
    "espressif2": "a4:cf:12",
    "raspberry": "dc:a6:32",
    "hikvision": "44:19:b6",
    "dahua": "3c:ef:8c",
    "tplink": "50:c7:bf",
    "signify": "00:17:88",
    "tuya": "68:57:2d",
    "amazon": "fc:a1:83",
    "samsung": "8c:79:f5",
    "apple": "f0:18:98",
    "google": "f4:f5:d8",
    "synology": "00:11:32",
    "avm": "3c:a6:2f",
    "netgear": "a0:40:a0",
    "intel": "a0:a4:c5",
    "lg": "a8:23:fe",
    "roku": "b0:a7:37",
}
CLOUD, UPDATES, TIME, CONTROL = "203.0.113.10", "203.0.113.20", "203.0.113.123", "198.51.100.77"
FAR = "198.18.64.0/18"  # a slice of the world that refuses connections; all else stays silent
INTERNET = (CLOUD, UPDATES, TIME, CONTROL)
NAMES = {
    "api.vendor.example": CLOUD,
    "push.vendor.example": CLOUD,
    "updates.vendor.example": UPDATES,
    "time.pool.example": TIME,
    "cnc.bulletproof.example": CONTROL,
}
MAKERS = {
    "hub": ("raspberry",), "lamp": ("signify", "tuya"), "lock": ("espressif2", "tuya"),
    "camera": ("hikvision", "dahua"), "dvr": ("dahua", "hikvision"), "nas": ("synology",),
    "plug": ("tplink", "tuya"), "bulb": ("signify", "tplink"), "phone": ("samsung", "apple"),
    "tablet": ("amazon", "samsung"), "tv": ("lg", "roku"), "laptop": ("intel",),
    "guest": ("apple", "google"), "panel": ("amazon", "google"), "meter": ("espressif",),
    "sensor": ("espressif", "espressif2", "tuya"),
}  # fmt: skip
COMMANDS = [
    ["home/lock/front/set", '{"action":"unlock","user":"panel"}'],
    ["home/lock/front/set", '{"action":"lock","user":"panel"}'],
    ["home/lamp/hall/set", '{"state":"ON","brightness":180}'],
    ["home/lamp/hall/set", '{"state":"OFF"}'],
]


PORTS = {
    "coap_set": 5683, "command": 1883, "lookup": 53, "ntp": 123, "ping": 0, "plug_set": 9999,
    "heartbeat": 8886, "post": 80, "subscribe": 1883, "telemetry": 1883, "view": 80,
}  # fmt: skip


class Task(msgspec.Struct, frozen=True):
    """A service or behaviour of a device with its keywords."""

    do: str
    options: dict[str, Any]


class Device(msgspec.Struct, frozen=True):
    """A machine of the household before it is plugged in."""

    name: str
    mac: str
    octet: str
    tasks: tuple[Task, ...]


class Household(msgspec.Struct, frozen=True):
    """One home: its addresses, its devices and where the shared services are."""

    name: str
    subnet: str
    seed: int
    devices: tuple[Device, ...]
    web_server: str  # lighttpd or nginx
    web_server_on: str
    snapshot_bytes: int

    def ip(self, name: str) -> str:
        """Return the address of the device called `name`."""
        return next(f"{self.subnet}.{d.octet}" for d in self.devices if d.name == name)

    def honest_endpoints(self, name: str) -> tuple[tuple[str, int], ...]:
        """Return whom a device speaks to by itself, as (ip, port), 0 for ping."""
        tasks = next(d.tasks for d in self.devices if d.name == name)
        kinds = ("host", "server", "broker", "target")
        return tuple(
            (task.options[kind], PORTS[task.do])
            for task in tasks
            for kind in kinds
            if kind in task.options
        )


class Style(msgspec.Struct, frozen=True):
    """How one household differs from another."""

    subnet: str
    router: str
    router_octet: str
    octets: tuple[int, int]
    telemetry_s: float
    reading_bytes: int
    qos: int
    snapshot_bytes: int
    view_s: float
    sensors: int
    pace: float
    web_server: str
    web_server_on: str


STYLES = {
    "cottage": Style(
        "192.168.50", "avm", "1", (20, 120),
        2.5, 60, 0, 2_500, 5.0, 3, 1.0, "lighttpd", "nas",
    ),
    "flat": Style(
        "192.168.1", "tplink", "254", (10, 250),
        1.0, 90, 1, 9_000, 2.0, 2, 0.8, "lighttpd", "camera",
    ),
    "terrace": Style(
        "10.0.7", "netgear", "1", (2, 99),
        5.0, 40, 0, 25_000, 8.0, 5, 1.4, "lighttpd", "nas",
    ),
    "workshop": Style(
        "172.16.31", "avm", "1", (100, 200),
        0.5, 220, 2, 5_000, 1.0, 6, 0.5, "nginx", "nas",
    ),
}  # fmt: skip


def build(name: str, seed: int) -> Household:
    """Furnish the household `name`; the seed moves addresses, periods and values.

    Raises:
        KeyError: There is no such household.
    """
    style = STYLES[name]
    rng = Random(f"{name}/{seed}")  # noqa: S311  (repeatable, not secret)
    roles = [
        "hub", "lamp", "lock", "camera", "plug", "nas", "phone", "tv",
        "laptop", "dvr", "tablet", "bulb", "guest", "meter", "panel",
        *(f"sensor{number}" for number in range(1, style.sensors + 1)),
    ]  # fmt: skip
    octets = [str(value) for value in rng.sample(range(*style.octets), len(roles))]
    ips = {role: f"{style.subnet}.{octet}" for role, octet in zip(roles, octets, strict=True)}
    ips["router"] = f"{style.subnet}.{style.router_octet}"
    tasks = _tasks(style, ips, rng)
    devices = [Device("router", _mac(style.router, rng), style.router_octet, tasks["router"])]
    for role, octet in zip(roles, octets, strict=True):
        devices.append(
            Device(
                role, _mac(rng.choice(MAKERS[role.rstrip("0123456789")]), rng), octet, tasks[role]
            )
        )
    return Household(
        name,
        style.subnet,
        seed,
        tuple(devices),
        style.web_server,
        style.web_server_on,
        style.snapshot_bytes,
    )


def _mac(vendor: str, rng: Random) -> str:
    return VENDORS[vendor] + "".join(f":{byte:02x}" for byte in rng.randbytes(3))


def _tasks(style: Style, ips: dict[str, str], rng: Random) -> dict[str, tuple[Task, ...]]:
    """Give every role its services and habits; attackers to be have habits like anyone else."""
    pace = style.pace
    online = _online(ips["router"], rng, pace)
    broker = {"broker": ips["hub"], "qos": style.qos}
    image = {"image_bytes": style.snapshot_bytes}

    def mdns(role: str) -> Task:
        return Task(
            "announce", {"kind": "mdns", "name": role, "ip": ips[role], "period_s": 20 * pace}
        )

    def ssdp(role: str) -> Task:
        return Task(
            "announce", {"kind": "ssdp", "name": role, "ip": ips[role], "period_s": 15 * pace}
        )

    def watch(period_s: float) -> Task:
        return Task("view", {"host": ips["camera"], "path": "/snapshot.jpg", "period_s": period_s})

    def report(size_bytes: int) -> Task:
        return Task("post", {"host": CLOUD, "size_bytes": size_bytes, "period_s": 11 * pace})

    def push(period_s: float) -> Task:
        return Task("heartbeat", {"host": CLOUD, "period_s": period_s * pace})

    camera = [push(9), Task("telnet_login", {"password": "Zw9-strong"}), *online("camera")]
    if style.web_server_on != "camera":
        camera.append(Task("web", image | {"password": "Zw9-strong"}))
    tasks = {
        "router": [Task("web", {"password": "Router-77", "server_name": "httpd"}), Task("sntp", {})],
        "panel": [
            Task("command", broker | {"client_id": "wall-panel", "commands": COMMANDS, "period_s": 12 * pace}),
            *online("panel"),
        ],
        "hub": [
            Task("coap_set", {"target": ips["bulb"], "period_s": 9 * pace}),
            Task("plug_set", {"target": ips["plug"], "period_s": 10 * pace}),
            mdns("hub"), *online("hub"),
        ],
        "lamp": [_obey(broker, "lamp/hall"), *online("lamp")],
        "lock": [_obey(broker, "lock/front"), *online("lock")],
        "camera": camera,
        "plug": [Task("plug_control", {}), _measure(style, broker, "plug/desk", rng), push(6), *online("plug")],
        "nas": [Task("ftp_login", {"password": "Nas-4711"}), Task("web", {"port": 8080}), mdns("nas"), watch(style.view_s), *online("nas")],
        "phone": [watch(style.view_s * 1.7), report(600), mdns("phone"), *online("phone")],
        "tv": [ssdp("tv"), report(900), push(12), *online("tv")],
        "laptop": [report(1500), ssdp("laptop"), *online("laptop")],
        "dvr": [Task("web", image | {"password": "dvr-55"}), Task("telnet_login", {"password": "xc3511"}), report(200), *online("dvr")],
        "tablet": [watch(style.view_s * 2.3), report(400), *online("tablet")],
        "bulb": [Task("coap", {}), push(8), *online("bulb")],
        "guest": [report(1200), mdns("guest"), *online("guest")],
        "meter": [_measure(style, broker | {"identical": True}, "meter/power", rng), *online("meter")],
    }  # fmt: skip
    for number in range(1, style.sensors + 1):
        sensor = _measure(style, broker, f"sensor/room{number}", rng)
        tasks[f"sensor{number}"] = [sensor, *online(f"sensor{number}")]
    return {role: tuple(work) for role, work in tasks.items()}


def _online(router: str, rng: Random, pace: float) -> Callable[[str], list[Task]]:
    names = [name for name in NAMES if not name.startswith("cnc")]

    def habits(_role: str) -> list[Task]:
        lookup = {"server": router, "names": rng.sample(names, 2)}
        habits = [
            Task("lookup", lookup | {"period_s": rng.uniform(6, 18) * pace}),
            Task(
                "ntp",
                {"server": rng.choice([TIME, TIME, router]), "period_s": rng.uniform(15, 40)},
            ),
        ]
        if rng.random() < 0.3:  # noqa: PLR2004
            habits.append(Task("ping", {"target": router, "period_s": rng.uniform(12, 30)}))
        return habits

    return habits


def _obey(broker: dict[str, Any], thing: str) -> Task:
    client_id = thing.replace("/", "-")
    topics = {"topic": f"home/{thing}/set", "state_topic": f"home/{thing}/state"}
    return Task("subscribe", broker | topics | {"client_id": client_id})


def _measure(style: Style, broker: dict[str, Any], thing: str, rng: Random) -> Task:
    options = broker | {"topic": f"home/{thing}", "client_id": thing.replace("/", "-")}
    period_s = style.telemetry_s * rng.uniform(0.8, 1.3)
    return Task("telemetry", options | {"period_s": period_s, "size_bytes": style.reading_bytes})
