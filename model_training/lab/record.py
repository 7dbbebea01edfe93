"""Record a scene: household up, capture on, attacks run, frames labelled, files written."""

import fcntl
import gzip
import hashlib
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec

from model_training.lab import attacks, impostors, replays
from model_training.lab.attacks import Attack
from model_training.lab.errors import LabError
from model_training.lab.frames import Frame
from model_training.lab.household import CLOUD, COMMANDS, UPDATES, build
from model_training.lab.labels import (
    BENIGN,
    Claim,
    Label,
    count_classes,
    label_frames,
    write_labels,
)
from model_training.lab.scenes import Scene, Step
from model_training.lab.stage import Stage, capture_command, on_stage

ATTACKS: dict[str, Attack] = {
    "crack": attacks.crack,
    "flood": attacks.flood,
    "guess_passwords": attacks.guess_passwords,
    "host_sweep": attacks.host_sweep,
    "http_dos": attacks.http_dos,
    "icmp_redirect": impostors.icmp_redirect,
    "mirai": attacks.mirai,
    "mitm": impostors.mitm,
    "port_scan": attacks.port_scan,
    "replay_command": replays.replay_command,
    "replay_datagram": replays.replay_datagram,
    "replay_frames": replays.replay_frames,
    "replay_session": replays.replay_session,
    "rogue_dhcp": impostors.rogue_dhcp,
    "starve_dhcp": impostors.starve_dhcp,
    "udp_scan": attacks.udp_scan,
    "version_scan": attacks.version_scan,
    "wide_scan": attacks.wide_scan,
}
TAIL_S = 4.0  # of ordinary traffic after the last step, however long that took
BUFFER_S = 1.5  # tcpdump hands frames over once a second
LABEL_RULE = (
    "known roles: flows the attacker's MAC began with the attacked endpoints during the run (exact local "
    "ports or contents where it also has honest flows), forged ARP and frames through the attacker's MAC, "
    "spoofed packets from its MAC and their backscatter, replayed frames by digest; answers are *_response"
)
QUALITY = "high (roles, ports and contents known to the script; see model_training/lab/README.md)"


class Recording(msgspec.Struct, frozen=True):
    """A finished capture with what is known about it."""

    scene: Scene
    seed: int
    frames: list[Frame]
    labels: list[Label]
    runs: list[tuple[Step, list[Claim]]]
    pcap: bytes

    @property
    def seconds(self) -> float:
        """Time from the first frame to the last."""
        return (self.frames[-1].time_ns - self.frames[0].time_ns) / 1e9


def record(scene: Scene, seed: int) -> Recording:
    """Play `scene` in a household of its own and return the labelled capture.

    Raises:
        LabError: A device died, a tool failed, or the capture lost frames.
    """
    with on_stage(build(scene.household, seed)) as stage:
        capture = _start_capture(stage)
        if scene.loss:
            stage.network.lose(scene.loss)
        runs = _play(stage, scene)
        time.sleep(TAIL_S)
        stage.wait_until(scene.seconds)
        stage.check_devices()
        time.sleep(BUFFER_S)
        stage.network.stop(capture, how=signal.SIGINT)
        _check_nothing_lost(stage)
        frames = stage.seen()
        labels = label_frames(frames, [claim for _, claims in runs for claim in claims])
        return Recording(scene, seed, frames, labels, runs, stage.pcap_path.read_bytes())


def _start_capture(stage: Stage) -> subprocess.Popen[bytes]:
    network = stage.network
    program = network.start(network.switch, capture_command(stage), log_name="tcpdump")
    deadline = time.monotonic() + 10
    while not (stage.pcap_path.exists() and stage.pcap_path.stat().st_size >= 24):  # noqa: PLR2004  (the file header)
        if program.poll() is not None or time.monotonic() > deadline:
            message = "tcpdump did not start capturing"
            raise LabError(message)
        time.sleep(0.05)
    stage.began_ns = time.time_ns()
    return program


def _check_nothing_lost(stage: Stage) -> None:
    said = (stage.network.work_dir / "tcpdump.log").read_text(errors="replace")
    if "0 packets dropped by kernel" not in said:
        message = f"the capture lost frames: {said[-200:]}"
        raise LabError(message)


def _play(stage: Stage, scene: Scene) -> list[tuple[Step, list[Claim]]]:
    runs = []
    for step in scene.steps:
        stage.wait_until(step.at_s)
        if step.do in ATTACKS:
            runs.append((step, ATTACKS[step.do](stage, step.who, step.victim, **step.options)))
        elif step.do == "boot":
            stage.boot(step.who)
        else:
            stage.order(step.who, step.do, **_resolved(stage, step))
    return runs


def _resolved(stage: Stage, step: Step) -> dict[str, Any]:
    """Put addresses for "@name" and texts for command numbers."""
    known = {"@cloud": CLOUD, "@updates": UPDATES, "@vip": f"{stage.network.subnet}.253"}
    known |= {f"@{name}": node.ip for name, node in stage.nodes.items()}
    options: dict[str, Any] = {
        key: known[value] if isinstance(value, str) and value.startswith("@") else value
        for key, value in step.options.items()
    }
    if step.do == "command":
        options["commands"] = [
            COMMANDS[given] if isinstance(given, int) else given for given in options["commands"]
        ]
        options |= {"broker": stage.nodes["hub"].ip, "client_id": f"{step.who}-app"}
        options.setdefault("period_s", 0.2)
    return options


def write(recording: Recording, out_dir: Path, *, compressed: bool = False) -> dict[str, Any]:
    """Write capture and labels below `out_dir` and return the manifest entry."""
    out_dir.mkdir(parents=True, exist_ok=True)
    name = f"{recording.scene.name}.pcap{'.gz' if compressed else ''}"
    data = gzip.compress(recording.pcap, 9, mtime=0) if compressed else recording.pcap
    (out_dir / name).write_bytes(data)
    labels_name = f"{recording.scene.name}.labels.csv" if compressed else f"{name}.labels.csv"
    write_labels(out_dir / labels_name, recording.labels)
    entry = _entry(recording, name, labels_name, hashlib.sha256(data).hexdigest())
    _add_to_manifest(out_dir / "manifest.json", entry)
    return entry


def _entry(recording: Recording, name: str, labels_name: str, sha256: str) -> dict[str, Any]:
    claims = [claim for _, claims in recording.runs for claim in claims]
    attackers = {(c.attacker, c.attacker_ip, c.tool): None for c in claims}
    counts = count_classes(recording.labels)
    return {
        "file": name,
        "sha256": sha256,
        "packets": len(recording.frames),
        "seconds": round(recording.seconds, 3),
        "linktype": "ether",
        "payloads": True,
        "classes": sorted(counts),
        "label_rule": LABEL_RULE if claims else "benign household, no attack ran",
        "attackers": [{"mac": mac, "ip": ip, "tool": tool} for mac, ip, tool in attackers],
        "victims": sorted({ip for c in claims for ip in c.victims[:4]}),
        "labels_quality": QUALITY,
        "packet_class_counts": counts,
        "licence": "MIT, recorded by this project",
        "notes": recording.scene.notes,
        "origin": {
            "repository": "edgewarden-lab",
            "household": recording.scene.household,
            "seed": recording.seed,
            "tool": "+".join(sorted({c.tool for c in claims})) or "none",
        },
        "split": "train",
        "labels_file": labels_name,
    }


def _add_to_manifest(path: Path, entry: dict[str, Any]) -> None:
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several labs may write to one folder
        entries = msgspec.json.decode(path.read_bytes()) if path.exists() else []
        entries = [other for other in entries if other["file"] != entry["file"]] + [entry]
        entries.sort(key=lambda other: other["file"])
        text = msgspec.json.format(msgspec.json.encode(entries), indent=1)
        new = path.with_suffix(".new")
        new.write_bytes(text + b"\n")
        new.replace(path)


def write_story(recording: Recording, path: Path) -> None:
    """Write who attacked whom and when, in seconds since the first frame, as JSON."""
    began_ns = recording.frames[0].time_ns
    attacks_told = []
    for step, claims in recording.runs:
        labels = label_frames(recording.frames, claims)
        times = [
            f.time_ns
            for f, x in zip(recording.frames, labels, strict=True)
            if x.attack_class != BENIGN
        ]
        told: dict[str, Any] = {
            "attack": step.do,
            "class": claims[0].attack_class,
            "tool": claims[0].tool,
        }
        told |= {
            "attacker": {"name": step.who, "mac": claims[0].attacker, "ip": claims[0].attacker_ip}
        }
        told |= {"victims": list(claims[0].victims), "frames": len(times)}
        told["start_s"] = round((min(times) - began_ns) / 1e9, 3)
        told["end_s"] = round((max(times) - began_ns) / 1e9, 3)
        attacks_told.append(told)
    scene = recording.scene
    story: dict[str, Any] = {
        "scene": scene.name,
        "household": scene.household,
        "seed": recording.seed,
    }
    story |= {"packets": len(recording.frames), "seconds": round(recording.seconds, 3)}
    document = msgspec.json.encode(story | {"attacks": attacks_told})
    path.write_bytes(msgspec.json.format(document, indent=2) + b"\n")
