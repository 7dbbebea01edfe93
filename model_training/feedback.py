"""What people at the centre said of alerts, with the frames behind them, as a capture folder."""

import csv
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np

from agent.capture.pcap import read_frames
from agent.centre import Centre
from agent.records import I64
from contract.attacks import BENIGN, CLASSES, AttackType
from contract.identifiers import AlertId, DeviceId, HostId, IpAddress, MacAddress
from contract.messages import MAX_EVIDENCE_BYTES
from model_training.captures import MANIFEST, Entry, Origin
from model_training.errors import StepError
from model_training.labels import UNLABELLED
from runtime.files import write_whole

Said = Literal["resolved", "false_positive"]  # it was an attack, it was none

PAGE: Final = 1000
MAX_LIST_BYTES: Final = 16 * 2**20
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAC_CHARACTERS: Final = 17


class Judged(msgspec.Struct, frozen=True):
    """An alert that somebody has decided about."""

    alert_id: AlertId
    device_id: DeviceId
    attack_type: AttackType
    status: Said
    host: HostId
    src_mac: MacAddress | None
    dst_ip: IpAddress | None
    first_seen_at: datetime

    @property
    def teaches(self) -> bool:
        """Whether its class is one that models know, and its host one host."""
        return self.attack_type in CLASSES and self.src_mac is not None


class Gathered(msgspec.Struct):
    """How far it has come."""

    attacks: int = 0
    harmless: int = 0
    coming: int = 0  # their devices have yet to send the frames
    without: int = 0  # no frames are kept any more, or they cannot be learned from


def gather(centre: Centre, key: str, folder: Path) -> Gathered:
    """Write what was judged into a capture folder; what is there already is not fetched again.

    Args:
        centre: Where it was judged.
        key: An API token of an analyst.
        folder: Made where it is missing; its manifest is written anew.

    Raises:
        CentreError: The centre cannot be reached, or refuses.
        CaptureError: Frames cannot be read.
        StepError: The folder cannot be written.
    """
    gathered = Gathered()
    entries = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for alert in (*_judged(centre, key, "resolved"), *_judged(centre, key, "false_positive")):
            path = folder / f"{alert.alert_id}.pcap"
            if not alert.teaches or not (path.exists() or _fetch(centre, key, path, gathered)):
                gathered.without += not alert.teaches
                continue
            entries.append(_entry(alert, path))
            gathered.attacks += alert.status == "resolved"
            gathered.harmless += alert.status == "false_positive"
        manifest = msgspec.json.format(msgspec.json.encode(entries), indent=1)
        write_whole(folder / MANIFEST, manifest + b"\n")
    except OSError as error:
        message = f"{folder}: {error.strerror}"
        raise StepError(message) from error
    return gathered


def _judged(centre: Centre, key: str, status: Said) -> Iterator[Judged]:
    skip = 0
    while True:
        path = f"/api/v1/alerts?status={status}&limit={PAGE}&skip={skip}"
        _, body = centre.fetch(path, key, MAX_LIST_BYTES, frozenset({HTTPStatus.OK}))
        try:
            page = msgspec.json.decode(body, type=list[Judged])
        except msgspec.MsgspecError as error:
            message = f"the centre's list of alerts cannot be read: {error}"
            raise StepError(message) from error
        yield from page
        if len(page) < PAGE:
            return
        skip += PAGE


def _fetch(centre: Centre, key: str, path: Path, gathered: Gathered) -> bool:
    """Fetch the frames behind an alert; return whether they are there."""
    answers = frozenset(
        {HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
    )
    where = f"/api/v1/alerts/{path.stem}/pcap"
    status, body = centre.fetch(where, key, MAX_EVIDENCE_BYTES, answers)
    if status == HTTPStatus.OK:
        write_whole(path, body)
        return True
    if status == HTTPStatus.ACCEPTED:
        gathered.coming += 1
    else:
        gathered.without += 1
    return False


def _entry(alert: Judged, path: Path) -> Entry:
    """Return a capture's entry, and write the labels of its frames beside it."""
    time_ns = _times(path)
    attack = alert.status == "resolved"
    labels = path.with_suffix(".labels.csv")
    if attack:
        first_ns = (alert.first_seen_at - EPOCH) // timedelta(microseconds=1) * 1000
        # What was before nobody has judged: the attack may have begun, or not.
        classes = np.where(time_ns >= first_ns, alert.attack_type, UNLABELLED).tolist()
        with labels.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("class", "sub"), *((name, "") for name in classes)])
    kind = "mac" if len(alert.host) == _MAC_CHARACTERS and "." not in alert.host else "ip"
    return Entry(
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        packets=len(time_ns),
        seconds=float(np.ptp(time_ns)) / 1e9 if len(time_ns) else 0.0,
        classes=[alert.attack_type if attack else BENIGN],
        origin=Origin(repository="centre", household=alert.device_id),
        split="train",
        attackers=[{kind: alert.host}] if attack else [],
        victims=[alert.dst_ip] if attack and alert.dst_ip else [],
        labels_file=labels.name if attack else None,
        notes=f"alert {alert.alert_id}, {alert.status}",
    )


def _times(path: Path) -> I64:
    batches = [frames.time_ns for frames in read_frames(path)]
    return np.concatenate(batches) if batches else np.zeros(0, np.int64)
