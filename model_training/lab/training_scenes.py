"""The scenes that the model learns from: every attack in several strengths, and hard benign ones."""

from collections.abc import Iterator
from random import Random

from model_training.lab.other_tools import BACKGROUND, LOSSES, LOSSY, QUIET, TOOLS
from model_training.lab.scenes import Attempt, Scene, Step

HOUSEHOLDS = ("flat", "terrace", "workshop")

COMMAND_IN_TIME = Step(
    4, "command", "panel", "", {"commands": [0, 2], "count": 3, "period_s": 2.0}
)
CHATTER = Step(5, "view", "phone", "", {"host": "@cloud", "path": "/", "period_s": 1.0})
# the app words its commands differently than the panel: who repeats the panel's is an attacker
PHONE_ON = ["home/lamp/hall/set", '{"state":"ON","brightness":90,"source":"app"}']
PHONE_OFF = ["home/lamp/hall/set", '{"state":"OFF","source":"app"}']

# name -> one attempt per household: the strength differs from home to home
REPLAYS: dict[str, tuple[Attempt, Attempt, Attempt]] = {
    "command-again": (
        ("replay_command", "guest", "lock", {"times": 8, "pause_s": 1.0}),
        ("replay_command", "tv", "lock", {"times": 5, "pause_s": 2.0}),
        ("replay_command", "laptop", "lamp", {"times": 12, "pause_s": 0.5}),
    ),
    "command-sparse": (
        ("replay_command", "tv", "lock", {"times": 4, "pause_s": 5.0}),
        ("replay_command", "dvr", "lamp", {"times": 6, "pause_s": 4.0}),
        ("replay_command", "guest", "lock", {"times": 3, "pause_s": 7.0}),
    ),
    "command-burst": (
        ("replay_command", "dvr", "lamp", {"times": 40, "pause_s": 0.2, "one_connection": True}),
        ("replay_command", "guest", "lock", {"times": 20, "pause_s": 0.5, "one_connection": True}),
        ("replay_command", "bulb", "lock", {"times": 60, "pause_s": 0.1, "one_connection": True}),
    ),
    "command-qos1": (
        ("replay_command", "laptop", "lock", {"times": 10, "pause_s": 1.2, "qos": 1}),
        ("replay_command", "guest", "lamp", {"times": 6, "pause_s": 2.0, "qos": 1}),
        ("replay_command", "tv", "lock", {"times": 15, "pause_s": 0.6, "qos": 1}),
    ),
    "plug-session-same-host": (
        ("replay_session", "hub", "plug", {"times": 8, "pause_s": 1.5}),
        ("replay_session", "hub", "plug", {"times": 20, "pause_s": 0.4}),
        ("replay_session", "hub", "plug", {"times": 5, "pause_s": 3.0}),
    ),
    "mqtt-session-same-host": (
        ("replay_session", "panel", "hub", {"port": 1883, "times": 8, "pause_s": 1.0}),
        ("replay_session", "panel", "hub", {"port": 1883, "times": 16, "pause_s": 0.5}),
        ("replay_session", "panel", "hub", {"port": 1883, "times": 5, "pause_s": 3.0}),
    ),
    "datagram": (
        ("replay_datagram", "guest", "bulb", {"times": 10, "pause_s": 1.0}),
        ("replay_datagram", "hub", "bulb", {"times": 12, "pause_s": 0.8}),
        ("replay_datagram", "tv", "bulb", {"times": 40, "pause_s": 0.2}),
    ),
    "frames-coap": (
        ("replay_frames", "laptop", "bulb", {"times": 10, "rate": 1.0}),
        ("replay_frames", "guest", "bulb", {"times": 30, "rate": 5.0, "own_mac": True}),
        ("replay_frames", "dvr", "bulb", {"times": 16, "rate": 2.0, "own_mac": True}),
    ),
    "frames-plug": (
        ("replay_frames", "guest", "plug", {"port": 9999, "times": 5, "rate": 6.0}),
        ("replay_frames", "tv", "plug", {"port": 9999, "times": 10, "rate": 12.0, "own_mac": True}),
        ("replay_frames", "laptop", "plug", {"port": 9999, "times": 4, "rate": 3.0}),
    ),
    "frames-mqtt": (
        ("replay_frames", "tv", "hub", {"recorded_from": "panel", "port": 1883, "times": 6, "rate": 8.0}),
        ("replay_frames", "dvr", "hub", {"recorded_from": "panel", "port": 1883, "times": 10, "rate": 20.0}),
        ("replay_frames", "guest", "hub", {"recorded_from": "panel", "port": 1883, "times": 4, "rate": 5.0, "own_mac": True}),
    ),
}  # fmt: skip
MITMS: dict[str, tuple[Attempt, Attempt, Attempt]] = {
    "two-way": (
        ("mitm", "guest", "phone", {"seconds": 15}),
        ("mitm", "laptop", "phone", {"seconds": 12}),
        ("mitm", "dvr", "phone", {"seconds": 18}),
    ),
    "one-way": (
        ("mitm", "tv", "phone", {"two_way": False, "seconds": 14}),
        ("mitm", "guest", "tablet", {"two_way": False, "seconds": 14}),
        ("mitm", "laptop", "phone", {"two_way": False, "seconds": 20, "repair": False}),
    ),
    "telemetry": (
        ("mitm", "guest", "sensor1", {"peer": "hub", "seconds": 15}),
        ("mitm", "tv", "lock", {"peer": "hub", "seconds": 18}),
        ("mitm", "laptop", "sensor2", {"peer": "hub", "seconds": 12, "repair": False}),
    ),
    "video": (
        ("mitm", "laptop", "nas", {"peer": "camera", "seconds": 12}),
        ("mitm", "dvr", "phone", {"peer": "camera", "seconds": 15, "two_way": False}),
        ("mitm", "guest", "nas", {"peer": "camera", "seconds": 10}),
    ),
    "redirects": (
        ("mitm", "dvr", "phone", {"redirects": True, "seconds": 12}),
        ("mitm", "guest", "sensor1", {"peer": "hub", "redirects": True, "seconds": 14}),
        ("mitm", "tv", "phone", {"redirects": True, "two_way": False, "seconds": 12}),
    ),
    "blackhole": (
        ("mitm", "guest", "phone", {"forward": False, "seconds": 10}),
        ("mitm", "dvr", "sensor1", {"peer": "hub", "forward": False, "seconds": 12}),
        ("mitm", "tv", "tablet", {"forward": False, "two_way": False, "seconds": 10}),
    ),
    "requests": (
        ("mitm", "tv", "phone", {"tool": "poison", "opcode": 1, "period_s": 2.0, "seconds": 16}),
        ("mitm", "laptop", "phone", {"tool": "poison", "opcode": 1, "period_s": 0.5, "seconds": 12}),
        ("mitm", "guest", "lock", {"tool": "poison", "peer": "hub", "opcode": 1, "period_s": 1.0, "seconds": 14}),
    ),
    "patient": (
        ("mitm", "guest", "phone", {"tool": "poison", "period_s": 5.0, "seconds": 25}),
        ("mitm", "tv", "phone", {"tool": "poison", "period_s": 10.0, "seconds": 25}),
        ("mitm", "dvr", "phone", {"tool": "poison", "period_s": 0.2, "seconds": 10}),
    ),
}  # fmt: skip
OTHERS: dict[str, tuple[Attempt, Attempt, Attempt]] = {
    "scan-syn": (
        ("port_scan", "laptop", "camera", {"rate": 400}),
        ("port_scan", "guest", "nas", {"ports": "1-200", "rate": 20}),
        ("port_scan", "tv", "dvr", {"ports": "1-4000", "rate": 1500}),
    ),
    "scan-connect": (
        ("port_scan", "guest", "camera", {"kind": "connect", "rate": 200}),
        ("port_scan", "dvr", "hub", {"kind": "connect", "ports": "1-150", "rate": 15}),
        ("port_scan", "laptop", "nas", {"kind": "connect", "ports": "1-2000", "rate": 800}),
    ),
    "scan-stealth": (
        ("port_scan", "laptop", "camera", {"kind": "fin", "ports": "1-500", "rate": 100}),
        ("port_scan", "guest", "camera", {"kind": "xmas", "ports": "1-500", "rate": 200}),
        ("port_scan", "tv", "hub", {"kind": "null", "ports": "1-300", "rate": 50}),
    ),
    "scan-slow": (
        ("port_scan", "guest", "camera", {"ports": "1-60", "rate": 3}),
        ("port_scan", "tv", "nas", {"ports": "1-100", "rate": 5}),
        ("port_scan", "laptop", "hub", {"kind": "connect", "ports": "20-60", "rate": 2}),
    ),
    "scan-udp": (
        ("udp_scan", "laptop", "camera", {"top_ports": 40, "rate": 20}),
        ("udp_scan", "guest", "nas", {"top_ports": 100, "rate": 100}),
        ("udp_scan", "tv", "camera", {"top_ports": 25, "rate": 5}),
    ),
    "scan-sweep": (
        ("host_sweep", "laptop", "router", {"rate": 60}),
        ("host_sweep", "guest", "router", {"rate": 20}),
        ("host_sweep", "dvr", "router", {"rate": 300}),
    ),
    "scan-network": (
        ("host_sweep", "guest", "router", {"ports": "23,80,1883", "rate": 80}),
        ("host_sweep", "tv", "router", {"ports": "22,23,80,443,554,8080", "rate": 150}),
        ("host_sweep", "laptop", "router", {"ports": "1883,5683", "rate": 40}),
    ),
    "scan-versions": (
        ("version_scan", "laptop", "camera", {}),
        ("version_scan", "guest", "nas", {}),
        ("version_scan", "tv", "dvr", {}),
    ),
    "flood-syn": (
        ("flood", "dvr", "nas", {"rate": 800, "port": 8080}),
        ("flood", "laptop", "camera", {"rate": 200, "seconds": 8}),
        ("flood", "tv", "hub", {"rate": 3000, "port": 1883, "seconds": 4}),
    ),
    "flood-syn-spoofed": (
        ("flood", "dvr", "camera", {"rate": 1000, "spoofed": True}),
        ("flood", "guest", "hub", {"rate": 300, "port": 1883, "spoofed": True, "seconds": 7}),
        ("flood", "laptop", "camera", {"rate": 3000, "spoofed": True, "seconds": 4}),
    ),
    "flood-udp": (
        ("flood", "tv", "bulb", {"kind": "udp", "port": 5683, "rate": 1000}),
        ("flood", "dvr", "camera", {"kind": "udp", "port": 554, "rate": 300, "data_bytes": 400, "seconds": 6}),
        ("flood", "guest", "nas", {"kind": "udp", "port": 137, "rate": 2500, "data_bytes": 64, "seconds": 4}),
    ),
    "flood-icmp": (
        ("flood", "guest", "camera", {"kind": "icmp", "rate": 1000}),
        ("flood", "laptop", "hub", {"kind": "icmp", "rate": 200, "data_bytes": 1000, "seconds": 8}),
        ("flood", "dvr", "nas", {"kind": "icmp", "rate": 2500, "seconds": 3}),
    ),
    "flood-http": (
        ("http_dos", "laptop", "camera", {"workers": 4, "pause_s": 0.03, "seconds": 8}),
        ("http_dos", "guest", "nas", {"workers": 2, "pause_s": 0.02, "seconds": 10}),
        ("http_dos", "tv", "dvr", {"workers": 12, "pause_s": 0.05, "seconds": 6}),
    ),
    "slow-http": (
        ("http_dos", "tv", "camera", {"slow": True, "workers": 100, "pause_s": 2.0, "seconds": 20}),
        ("http_dos", "guest", "nas", {"slow": True, "workers": 200, "pause_s": 4.0, "seconds": 25}),
        ("http_dos", "laptop", "nas", {"slow": True, "workers": 60, "pause_s": 1.0, "seconds": 18}),
    ),
    "guess-telnet": (
        ("guess_passwords", "tv", "camera", {"workers": 2, "seconds": 14}),
        ("guess_passwords", "guest", "dvr", {"workers": 1, "pause_s": 1.0, "seconds": 25}),
        ("guess_passwords", "laptop", "camera", {"workers": 8, "pause_s": 0.1, "seconds": 10}),
    ),
    "guess-http": (
        ("guess_passwords", "laptop", "dvr", {"service": "http", "workers": 2, "seconds": 12}),
        ("guess_passwords", "tv", "camera", {"service": "http", "workers": 1, "pause_s": 0.7, "seconds": 20}),
        ("guess_passwords", "guest", "dvr", {"service": "http", "workers": 6, "pause_s": 0.1, "seconds": 8}),
    ),
    "hydra-telnet": (
        ("crack", "laptop", "camera", {"tasks": 4, "seconds": 15}),
        ("crack", "guest", "dvr", {"tasks": 1, "seconds": 20}),
        ("crack", "tv", "camera", {"tasks": 12, "seconds": 12}),
    ),
    "hydra-ftp": (
        ("crack", "guest", "nas", {"service": "ftp", "tasks": 4, "seconds": 15}),
        ("crack", "tv", "nas", {"service": "ftp", "tasks": 1, "seconds": 20}),
        ("crack", "laptop", "nas", {"service": "ftp", "tasks": 12, "seconds": 10}),
    ),
    "hydra-http": (
        ("crack", "tv", "dvr", {"service": "http", "tasks": 2, "seconds": 8}),
        ("crack", "laptop", "camera", {"service": "http", "tasks": 1, "seconds": 10}),
        ("crack", "guest", "dvr", {"service": "http", "tasks": 8, "seconds": 5}),
    ),
    "mirai": (
        ("mirai", "plug", "camera", {"knocks_per_second": 20, "seconds": 18}),
        ("mirai", "dvr", "camera", {"knocks_per_second": 80, "near_share": 0.05, "control_port": 48_101, "seconds": 15}),
        ("mirai", "tv", "dvr", {"knocks_per_second": 150, "near_share": 0.0, "control_port": 23, "seconds": 12}),
    ),
    "mirai-slow": (
        ("mirai", "bulb", "camera", {"knocks_per_second": 2, "beacon_s": 5.0, "seconds": 25}),
        ("mirai", "meter", "camera", {"knocks_per_second": 4, "near_share": 0.5, "beacon_s": 3.0, "seconds": 25}),
        ("mirai", "camera", "dvr", {"knocks_per_second": 3, "near_share": 0.0, "beacon_s": 4.0, "seconds": 25}),
    ),
    "mirai-near": (
        ("mirai", "tv", "camera", {"knocks_per_second": 15, "near_share": 1.0, "beacon_s": 0, "seconds": 15}),
        ("mirai", "plug", "dvr", {"knocks_per_second": 6, "near_share": 1.0, "beacon_s": 4.0, "seconds": 20}),
        ("mirai", "dvr", "camera", {"knocks_per_second": 40, "near_share": 0.9, "beacon_s": 0, "seconds": 12}),
    ),
    "beacon": (
        ("mirai", "plug", "camera", {"knocks_per_second": 0, "logins": False, "beacon_s": 2.0, "reconnect": True, "seconds": 30}),
        ("mirai", "bulb", "camera", {"knocks_per_second": 0, "logins": False, "beacon_s": 4.0, "seconds": 35}),
        ("mirai", "tv", "camera", {"knocks_per_second": 0, "logins": False, "beacon_s": 1.0, "reconnect": True, "control_port": 48_101, "seconds": 25}),
    ),
}  # fmt: skip

LOSSY_BENIGN = ("quiet-evening", "redelivery", "video", "backup", "plant")
EVERY_DEVICE = (
    "lamp", "lock", "camera", "plug", "nas", "phone", "tv", "laptop",
    "dvr", "tablet", "bulb", "guest", "meter", "panel", "sensor1", "sensor2",
)  # fmt: skip
BENIGN: dict[str, tuple[float, tuple[Step, ...]]] = {
    "quiet-evening": (60, ()),
    "boot-storm": (40, tuple(Step(4 + 0.6 * n, "boot", who) for n, who in enumerate(EVERY_DEVICE))),
    "power-cut": (35, tuple(Step(8, "boot", who) for who in EVERY_DEVICE)),
    "firmware": (40, (
        Step(5, "transfer", "camera", "", {"host": "@updates", "size_bytes": 3_000_000, "bytes_per_second": 400_000}),
        Step(12, "transfer", "tv", "", {"host": "@updates", "size_bytes": 4_000_000, "bytes_per_second": 1_500_000}),
        Step(30, "boot", "camera"),
    )),
    "same-reading": (45, tuple(
        Step(3 + n, "telemetry", who, "", {
            "broker": "@hub", "topic": f"home/{who}/beat", "client_id": f"{who}-beat",
            "period_s": period_s, "jitter": 0.02, "identical": True,
        })
        for n, (who, period_s) in enumerate((("bulb", 1.0), ("plug", 0.5), ("lamp", 2.0), ("dvr", 5.0), ("camera", 0.2)))
    )),
    "failover": (45, (
        Step(3, "take_over", "nas", "", {"ip": "@vip"}),
        Step(5, "ping", "phone", "", {"target": "@vip", "period_s": 2.0, "count": 1}),
        Step(5, "view", "tablet", "", {"host": "@vip", "path": "/", "period_s": 1.5}),
        Step(17.8, "give_up", "nas", "", {"ip": "@vip"}),
        Step(18, "take_over", "dvr", "", {"ip": "@vip"}),
        Step(31.8, "give_up", "dvr", "", {"ip": "@vip"}),
        Step(32, "take_over", "nas", "", {"ip": "@vip", "count": 5}),
        Step(38, "gratuitous_arp", "camera", "", {"ip": "@camera"}),
    )),
    "redelivery": (50, (
        Step(3, "forgetful_subscriber", "tablet", "", {"broker": "@hub", "topic": "home/lock/front/set", "client_id": "tablet-watch"}),
        Step(4, "command", "panel", "", {"commands": [0, 1], "period_s": 3.0, "qos": 1}),
        Step(6, "stubborn_publisher", "phone", "", {
            "broker": "@hub", "topic": "home/lamp/hall/set", "client_id": "phone-app", "payload": PHONE_ON[1],
        }),
    )),
    "same-button": (45, (
        Step(4, "command", "panel", "", {"commands": [2], "period_s": 1.5, "count": 12}),
        Step(20, "command", "phone", "", {"commands": [PHONE_ON, PHONE_OFF], "period_s": 1.0, "count": 15}),
    )),
    "video": (35, (
        Step(3, "transfer", "phone", "", {"host": "@dvr", "size_bytes": 0, "path": "/stream.mjpg", "seconds": 25.0}),
        Step(8, "transfer", "nas", "", {"host": "@dvr", "size_bytes": 0, "path": "/stream.mjpg", "seconds": 20.0}),
    )),
    "backup": (40, (
        Step(4, "transfer", "laptop", "", {"host": "@nas", "port": 8080, "size_bytes": 6_000_000, "upload": True, "bytes_per_second": 2_000_000}),
        Step(15, "transfer", "phone", "", {"host": "@nas", "port": 8080, "size_bytes": 3_000_000, "upload": True, "bytes_per_second": 400_000}),
    )),
    "new-app": (40, (
        Step(4, "announce", "tablet", "", {"kind": "ssdp", "name": "app", "ip": "@tablet", "period_s": 1.0}),
        *(Step(6 + n, "view", "tablet", "", {"host": f"@{who}", "path": "/", "period_s": 1.5, "jitter": 0.5})
          for n, who in enumerate(("router", "camera", "dvr", "nas", "hub", "plug", "tv"))),
        Step(10, "lookup", "tablet", "", {"server": "@router", "names": ["api.vendor.example", "push.vendor.example"], "period_s": 0.4}),
    )),
    "many-pings": (35, tuple(
        Step(3 + n, "ping", "laptop", "", {"target": f"@{who}", "period_s": 3.0, "count": 2})
        for n, who in enumerate(("router", "camera", "hub", "nas", "tv", "phone"))
    )),
    "chatty-cloud": (45, tuple(
        Step(3 + n, "heartbeat", who, "", {"host": "@cloud", "period_s": period_s})
        for n, (who, period_s) in enumerate((("lamp", 2.0), ("lock", 4.0), ("meter", 1.0), ("guest", 6.0), ("dvr", 3.0)))
    )),
}  # fmt: skip


def _prelude(attack: str, victim: str) -> tuple[Step, ...]:
    """What must go on so that the attack has something to record or to intercept."""
    if attack.startswith("replay"):
        return (
            COMMAND_IN_TIME,
            Step(4, "coap_set", "hub", "", {"target": "@bulb", "period_s": 3.0}),
            Step(4, "plug_set", "hub", "", {"target": "@plug", "period_s": 3.0}),
        )
    if attack == "icmp_redirect":
        return (CHATTER,)
    names = ["api.vendor.example", "push.vendor.example", "updates.vendor.example"]
    asking = {"server": "@router", "names": names, "period_s": 1.5}
    return (CHATTER, Step(5, "lookup", victim, "", asking)) if attack == "mitm" else ()


def _attack_scenes(
    group: str,
    plots: dict[str, tuple[Attempt, Attempt, Attempt]],
    background: tuple[Step, ...] = (),
    losses: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Iterator[Scene]:
    for name, attempts in plots.items():
        for household, (attack, who, victim, options), loss in zip(
            HOUSEHOLDS, attempts, losses, strict=True
        ):
            full_name = f"{group}{name}-{household}"
            rng = Random(full_name)  # noqa: S311
            start_s = rng.uniform(16, 20) if "replay-" in full_name else rng.uniform(9, 15)
            step = Step(round(start_s, 1), attack, who, victim, options)
            seconds = start_s + float(options.get("seconds", 10)) + rng.uniform(8, 16)
            steps = (*background, *_prelude(attack, victim), step)
            notes = f"{attack} {options}"
            yield Scene(full_name, household, round(seconds, 1), steps, notes, loss)


def _benign_scenes() -> Iterator[Scene]:
    for name, (seconds, steps) in (BENIGN | QUIET).items():
        for household, loss in zip(HOUSEHOLDS, LOSSES, strict=True):
            notes = f"hard negative: {name}"
            yield Scene(f"benign-{name}-{household}", household, seconds, steps, notes)
            if name in LOSSY_BENIGN:
                lossy = f"benign-lossy-{name}-{household}"
                yield Scene(lossy, household, seconds, steps, notes, loss)


TRAINING: tuple[Scene, ...] = (
    *_attack_scenes("replay-", REPLAYS),
    *_attack_scenes("mitm-", MITMS),
    *_benign_scenes(),
    *_attack_scenes("", OTHERS),
    *_attack_scenes("", TOOLS, BACKGROUND),
    *_attack_scenes("", LOSSY, (), LOSSES),
)
