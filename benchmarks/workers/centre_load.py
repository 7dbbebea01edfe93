"""Devices that tell a broker so much a second, and how long each message takes until it is receipted.

Usage: python -m benchmarks.workers.centre_load PORT KIND DEVICES MESSAGES_PER_S SECONDS

KIND is verdicts (batches of 250 rows), alerts or health. A delay counts from when a message was due, so that
a sender that falls behind shows. It shares the cores with what is measured, and so does little itself.
"""

import secrets
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Final

import msgspec
import numpy as np
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.delays import Delays, delays
from contract import codec, topics
from contract.attacks import CLASSES
from contract.features import feature_schema_id
from contract.identifiers import IpAddress, MacAddress
from contract.messages import Alert, AnyMessage, Envelope, Health, TopFeature, VerdictBatch

ROWS: Final = 250  # of a batch
ORGANIZATION: Final = "default"
PATIENCE_S: Final = 20.0  # for the broker, and for the last receipts
_SEED: Final = 5
_IN_FLIGHT: Final = 200
_CONTACTED: Final[list[IpAddress | None]] = [f"10.0.0.{number}" for number in range(1, 255)]


class Told(msgspec.Struct):
    """What was sent and what was receipted."""

    sent: int
    receipted: int
    rows: int
    seconds: float
    delays: Delays


class Devices:
    """Devices on one connection, each with its own numbers, and what is due of them."""

    def __init__(self, kind: str, count: int) -> None:
        self._names = [f"{kind}-{number}" for number in range(count)]
        self._make = MAKERS[kind]
        self._boot = secrets.token_hex(8)
        self._due: dict[str, deque[float]] = {name: deque() for name in self._names}
        self._upto = dict.fromkeys(self._names, 0)
        self.found: list[float] = []

    def made(self, turn: int) -> tuple[str, bytes]:
        """Return the topic and the bytes of one turn's message."""
        rounds, number = divmod(turn, len(self._names))
        message = self._make(turn)
        envelope = Envelope(boot=self._boot, seq=rounds + 1, floor=1, message=message)
        return topics.topic_for(message, ORGANIZATION, self._names[number]), codec.encode(envelope)

    def due(self, turn: int, due_s: float) -> None:
        """Count a turn's delay from there on."""
        self._due[self._names[turn % len(self._names)]].append(due_s)

    def hear(self, _client: Client, _data: object, received: MQTTMessage) -> None:
        """Take in a receipt."""
        name = received.topic.split("/")[-2]
        receipt = codec.decode_receipt(bytes(received.payload))
        if receipt.boot != self._boot:  # another worker's, or of one that was ended
            return
        now_s = time.monotonic()
        for _ in range(receipt.upto - self._upto[name]):
            self.found.append(now_s - self._due[name].popleft())
        self._upto[name] = max(self._upto[name], receipt.upto)


def tell(port: int, kind: str, count: int, per_s: float, seconds: float) -> Told:
    """Send evenly for a time; wait for the receipts."""
    devices = Devices(kind, count)
    whole = int(per_s * seconds)
    client = _subscribed(port, kind, devices)
    print("telling", flush=True)
    begin_s = time.monotonic() + 0.5
    for turn in range(whole):
        due_s = begin_s + turn / per_s
        time.sleep(max(0.0, due_s - time.monotonic()))
        devices.due(turn, due_s)
        client.publish(*devices.made(turn), qos=1)
    ended_s = time.monotonic()
    while len(devices.found) < whole and time.monotonic() < ended_s + PATIENCE_S:
        time.sleep(0.05)
    client.disconnect()
    client.loop_stop()
    rows = len(devices.found) * (ROWS if kind == "verdicts" else 1)
    return Told(whole, len(devices.found), rows, ended_s - begin_s, delays(devices.found))


def _subscribed(port: int, kind: str, devices: Devices) -> Client:
    def subscribe(client: Client, *_: object) -> None:
        client.subscribe(topics.receipts_topic(ORGANIZATION, "+"), qos=1)

    heard = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"load-{kind}")
    client.max_inflight_messages_set(_IN_FLIGHT)
    client.on_message = devices.hear
    client.on_subscribe = lambda *_: heard.set()
    client.on_connect = subscribe
    client.connect("127.0.0.1", port)
    client.loop_start()
    if not heard.wait(PATIENCE_S):
        message = f"the broker at port {port} does not answer"
        raise SystemExit(message)
    return client


@cache
def _home(number: int) -> tuple[list[MacAddress], list[IpAddress | None]]:
    hosts = [f"02:00:00:00:{number:02x}:{row % 50:02x}" for row in range(ROWS)]
    return hosts, [f"192.168.{number}.{row % 50}" for row in range(ROWS)]


def _verdicts(turn: int) -> VerdictBatch:
    random = np.random.default_rng((_SEED, turn))
    scores = random.dirichlet([20.0] + [0.3] * (len(CLASSES) - 1), ROWS).astype("<f4")
    hosts, addresses = _home(turn % 20)
    start_ns = time.time_ns()
    return VerdictBatch(
        model_id="benchmark-1",
        feature_schema_id=feature_schema_id(),
        window_ns=10**9,
        classes=list(CLASSES),
        window_start_ns=[start_ns - row // 50 * 10**9 for row in range(ROWS)],
        host=hosts,
        src_mac=[*hosts],
        src_ip=addresses,
        dst_ip=[_CONTACTED[each] for each in random.integers(0, 254, ROWS).tolist()],
        label=[CLASSES[each] for each in scores.argmax(axis=1).tolist()],
        packets=random.integers(1, 5000, ROWS).tolist(),
        wire_bytes=random.integers(60, 5_000_000, ROWS).tolist(),
        scores=scores.tobytes(),
    )


def _alert(turn: int) -> Alert:
    now_ns = time.time_ns()
    feature = TopFeature(
        feature="ports_of_one_host_1s",
        value=240.0,
        unit="ports",
        contribution=2.5,
        usual=1.0,
        words="tried 240 ports on one host; usually 1",
    )
    return Alert(
        alert_id=f"{now_ns:032x}",
        state="open",
        attack_type="Scan",
        severity="medium",
        host="02:00:00:00:00:07",
        src_mac="02:00:00:00:00:07",
        src_ip="192.168.1.7",
        dst_ip="192.168.1.1",
        first_seen_ns=now_ns,
        opened_ns=now_ns,
        last_seen_ns=now_ns,
        confidence=0.97,
        windows=2,
        packets=420 + turn,
        top_features=[feature] * 5,
        model_id="benchmark-1",
    )


def _health(turn: int) -> Health:
    return Health(
        sent_ns=time.time_ns(),
        uptime_s=turn,
        cpu_usage_percent=12.5,
        memory_usage_percent=30.0,
        temperature_celsius=51.0,
        throttled=False,
        process_rss_bytes=90_000_000,
        frames=100 * turn,
        windows=turn,
        hosts=30,
        alerts=0,
        dropped={"kernel": 7},
        queued={"spool": 2},
        clock_synchronized=True,
        model_id="benchmark-1",
        mode="observe",
        version="0.1.0",
    )


MAKERS: Final[dict[str, Callable[[int], AnyMessage]]] = {
    "verdicts": _verdicts,
    "alerts": _alert,
    "health": _health,
}


def main() -> None:
    port, kind, count, per_s, seconds = sys.argv[1:]
    told = tell(int(port), kind, int(count), float(per_s), float(seconds))
    print(msgspec.json.encode(told).decode())


if __name__ == "__main__":
    main()
