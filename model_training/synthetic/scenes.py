"""One made-up scene by a seed: a home, its habits, perhaps an attack, and a place to watch from."""

import hashlib
import json
import struct
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

from model_training.synthetic.attacks import INSIDE, LOUD, SLOW
from model_training.synthetic.habits import live
from model_training.synthetic.home import Home, between
from model_training.synthetic.plot import Plot
from model_training.synthetic.wire import Host, Mark, colons, dotted

BEGAN_S: Final = 1_767_225_600
SNAP_BYTES: Final = 256  # of a frame that are kept: more than the agent looks at
KINDS: Final = ("DOS", "Scan", "BruteForce", "Botnet", "MITM", "Replay", "benign")
WEIGHTS: Final = (6, 5, 5, 5, 5, 3, 8)
REPOSITORY: Final = "edgewarden-synthetic"
RULE: Final = "made by a program: every frame was labelled by the behaviour that wrote it"


class Scene(msgspec.Struct, frozen=True):
    """A finished scene."""

    name: str
    kind: str
    attack: str
    frames: list[tuple[float, bytes, Mark]]
    attackers: list[Host]
    victims: list[Host]


def compose(seed: int, number: int) -> Scene:
    """Make scene `number` of a seed."""
    rng = Random(f"{seed}/{number}")
    kind = rng.choices(KINDS, WEIGHTS)[0]
    slow = kind in SLOW and rng.random() < 0.3
    seconds = rng.uniform(60, 140) if slow else rng.uniform(20, 70)
    home = Home(rng, seconds, int(between(rng, 2, 14)))
    alone = kind != "benign" and rng.random() < 0.2
    busyness = 0.0 if alone else between(rng, 0.6, 5)
    for device in home.devices:
        live(home, device, min(int(busyness + rng.random()), 6))
    name = f"{kind.lower()}-{seed}-{number:04d}"
    if kind == "benign":
        return Scene(name, kind, "none", _seen(home, rng, 0.0, None), [], [])
    plot = _plot(home, kind, busyness)
    attack = rng.choice((SLOW if slow else LOUD)[kind])
    attack(plot)
    frames = _seen(home, rng, plot.start_s, plot.attacker)
    return Scene(name, kind, attack.__name__, frames, [plot.attacker], [plot.victim])


def _plot(home: Home, kind: str, busyness: float) -> Plot:
    rng = home.rng
    victim = rng.choice(home.devices)
    draw = rng.random()
    if kind not in INSIDE and draw < 0.2:
        attacker = home.outsider("attacker")
    elif draw < 0.5 or len(home.devices) < 2:
        attacker = home.stranger("attacker")
        live(home, attacker, int(rng.random() * min(busyness, 3)))
    else:
        attacker = home.someone(victim)
    if kind not in INSIDE and rng.random() < 0.15 and not attacker.remote:
        victim = rng.choice(home.world)
    start_s = home.seconds * rng.uniform(0.1, 0.45)
    return Plot(home, attacker, victim, start_s, start_s + rng.uniform(4, home.seconds))


def _seen(
    home: Home, rng: Random, start_s: float, attacker: Host | None
) -> list[tuple[float, bytes, Mark]]:
    """Return what the place to watch from shows: sometimes late, sometimes one direction only."""
    begin_s = start_s + rng.uniform(0.3, 3) if attacker and rng.random() < 0.12 else 0.0
    deaf = b""
    if rng.random() < (0.08 if attacker else 0.25) and not (attacker and attacker.remote):
        deaf = (attacker or rng.choice(home.devices)).mac
    frames = [
        frame
        for frame in home.tape.frames
        if begin_s <= frame[0] <= home.seconds and not (deaf and frame[1][:6] == deaf)
    ]
    frames.sort(key=lambda frame: frame[0])
    return frames


def write(scene: Scene, out_dir: Path) -> dict[str, Any]:
    """Write capture and labels; return the manifest entry."""
    path = out_dir / f"{scene.name}.pcap"
    parts = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)]
    for at, raw, _ in scene.frames:
        seconds, rest = divmod(round(at * 1e9), 1_000_000_000)
        kept = raw[:SNAP_BYTES]
        parts += [struct.pack("<IIII", BEGAN_S + seconds, rest, len(kept), len(raw)), kept]
    data = b"".join(parts)
    path.write_bytes(data)
    rows = "".join(f"{n},{m.label},{m.sub}\n" for n, (_, _, m) in enumerate(scene.frames, start=1))
    labels = out_dir / f"{scene.name}.pcap.labels.csv"
    labels.write_text("frame,class,sub\n" + rows)
    return {
        "file": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "packets": len(scene.frames),
        "seconds": round(scene.frames[-1][0] - scene.frames[0][0], 3),
        "classes": sorted({mark.label for _, _, mark in scene.frames}),
        "label_rule": RULE,
        "attackers": [_named(host, scene.frames) for host in scene.attackers],
        "victims": [dotted(host.ip) for host in scene.victims],
        "licence": "MIT, made by this project",
        "notes": scene.attack,
        "origin": {"repository": REPOSITORY, "tool": scene.attack},
        "split": "train",
        "labels_file": labels.name,
    }


def _named(host: Host, frames: list[tuple[float, bytes, Mark]]) -> dict[str, str]:
    # Of who is behind the router only the address is its own, unless it forges addresses.
    named = {"ip": dotted(host.ip)}
    if host.remote:
        own = sum(raw[26:30] == host.ip for _, raw, mark in frames if mark.sub)
        forged = sum(
            raw[6:12] == host.mac and raw[26:30] != host.ip
            for _, raw, mark in frames
            if mark.sub and not mark.sub.endswith("_response")
        )
        if forged <= own:
            return named
    return named | {"mac": colons(host.mac)}


def write_all(out_dir: Path, seed: int, count: int) -> int:
    """Make `count` scenes of a seed; return how many frames they have."""
    out_dir.mkdir(parents=True, exist_ok=True)
    scenes = (compose(seed, number) for number in range(count))
    entries = [write(scene, out_dir) for scene in scenes if scene.frames]
    text = json.dumps(entries, indent=1, sort_keys=True)
    (out_dir / "manifest.json").write_text(text + "\n")
    return sum(entry["packets"] for entry in entries)
