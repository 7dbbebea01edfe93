"""The attack classes, how grave they are, and where they stand in MITRE's matrices."""

from typing import Literal

import msgspec

AttackType = Literal["DOS", "Botnet", "Replay", "MITM", "Scan", "BruteForce", "Anomaly"]
Label = Literal["benign", "DOS", "Botnet", "Replay", "MITM", "Scan", "BruteForce", "Anomaly"]
Severity = Literal["low", "medium", "high", "critical"]

SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")

# The classes of a model, in the order of its score columns.
CLASSES: tuple[Label, ...] = ("benign", "DOS", "Botnet", "Replay", "MITM", "Scan", "BruteForce")
BENIGN: Label = "benign"
ANOMALY: Literal["Anomaly"] = "Anomaly"  # of no model's classes: novel, and no class explains it


class Attack(msgspec.Struct, frozen=True):
    """One attack class as people and other tools know it."""

    severity: Severity
    techniques: tuple[str, ...]  # MITRE ATT&CK (Enterprise) ids
    ics_techniques: tuple[str, ...]  # MITRE ATT&CK for ICS ids
    meaning: str


ATTACKS: dict[AttackType, Attack] = {
    "DOS": Attack("high", ("T1498", "T1499"), ("T0814",), "floods or starves a service"),
    "Botnet": Attack("critical", ("T1071", "T1571"), ("T0869",), "acts on orders from outside"),
    "Replay": Attack("high", ("T1557",), ("T0831", "T0855"), "sends recorded messages again"),
    "MITM": Attack("critical", ("T1557.002",), ("T0830",), "puts itself between two hosts"),
    "Scan": Attack("medium", ("T1046", "T1018"), ("T0846",), "searches hosts and open ports"),
    "BruteForce": Attack("high", ("T1110",), ("T0859",), "guesses passwords"),
    "Anomaly": Attack("low", (), (), "behaves as no known class explains"),
}
