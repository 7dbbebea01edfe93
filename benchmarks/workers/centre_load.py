"""Devices that tell a broker so much a second, and how long each message takes until it is receipted.

Usage: python -m benchmarks.workers.centre_load PORT KIND DEVICES MESSAGES_PER_S SECONDS

KIND is verdicts (batches of 250 rows), alerts or health. A delay counts from when a message was due, so that
a sender that falls behind shows.
"""

import asyncio
import secrets
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import aiomqtt
import msgspec
import numpy as np

from benchmarks.delays import Delays, delays
from contract import codec, topics
from contract.attacks import CLASSES
from contract.features import feature_schema_id
from contract.identifiers import IpAddress, MacAddress
from contract.messages import Alert, AnyMessage, Envelope, Health, TopFeature, VerdictBatch

ROWS: Final = 250  # of a batch
SENDERS: Final = 32
ORGANIZATION: Final = "default"
LAST_S: Final = 20.0  # for the last receipts
_SEED: Final = 5


class Told(msgspec.Struct):
    """What was sent and what was receipted."""

    sent: int
    receipted: int
    rows: int
    seconds: float
    delays: Delays


class Devices:
    """Devices on one connection, each with its own numbers, and what is due of them."""

    def __init__(self, prefix: str, count: int, make: Callable[[int], AnyMessage]) -> None:
        self.names = [f"{prefix}-{number}" for number in range(count)]
        self._make = make
        self._due: dict[str, deque[float]] = {name: deque() for name in self.names}
        self._boot = secrets.token_hex(8)
        self._seq = dict.fromkeys(self.names, 0)
        self._upto = dict.fromkeys(self.names, 0)
        self.sent = 0
        self.found: list[float] = []

    async def send(self, client: aiomqtt.Client, turns: Iterator[tuple[int, float]]) -> None:
        for turn, due_s in turns:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            name = self.names[turn % len(self.names)]
            message = self._make(turn)
            self._seq[name] = seq = self._seq[name] + 1
            self._due[name].append(due_s)
            self.sent += 1
            envelope = Envelope(boot=self._boot, seq=seq, floor=1, message=message)
            topic = topics.topic_for(message, ORGANIZATION, name)
            await client.publish(topic, codec.encode(envelope), qos=1, timeout=60)

    async def hear(self, client: aiomqtt.Client) -> None:
        async for received in client.messages:
            name = str(received.topic).split("/")[-2]
            receipt = codec.decode_receipt(bytes(received.payload))
            if receipt.boot != self._boot:  # another worker's, or of one that was ended
                continue
            now_s = time.monotonic()
            for _ in range(receipt.upto - self._upto[name]):
                self.found.append(now_s - self._due[name].popleft())
            self._upto[name] = max(self._upto[name], receipt.upto)


async def tell(port: int, kind: str, count: int, per_s: float, seconds: float) -> Told:
    """Send evenly for a time; wait for the receipts."""
    devices = Devices(kind, count, MAKERS[kind])
    async with aiomqtt.Client(
        "127.0.0.1", port, identifier=f"load-{kind}", max_inflight_messages=200
    ) as client:
        client.pending_calls_threshold = SENDERS
        await client.subscribe(topics.receipts_topic(ORGANIZATION, "+"), qos=1)
        print("telling", flush=True)
        begin_s = time.monotonic() + 0.5
        whole = int(per_s * seconds)
        async with asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(devices.hear(client), name="hear")
            async with asyncio.TaskGroup() as senders:
                for number in range(SENDERS):  # each keeps its devices' order
                    turns = [turn for turn in range(whole) if turn % count % SENDERS == number]
                    due = ((turn, begin_s + turn / per_s) for turn in turns)
                    senders.create_task(devices.send(client, due), name="send")
            ended_s = time.monotonic()
            while len(devices.found) < whole and time.monotonic() < ended_s + LAST_S:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            hearing.cancel()
    rows = len(devices.found) * (ROWS if kind == "verdicts" else 1)
    lasted_s = ended_s - begin_s
    return Told(devices.sent, len(devices.found), rows, lasted_s, delays(devices.found))


def _verdicts(turn: int) -> VerdictBatch:
    random = np.random.default_rng((_SEED, turn))
    scores = random.dirichlet([20.0] + [0.3] * (len(CLASSES) - 1), ROWS).astype("<f4")
    hosts: list[MacAddress | None] = [
        f"02:00:00:00:{turn % 20:02x}:{row % 50:02x}" for row in range(ROWS)
    ]
    addresses: list[IpAddress | None] = [f"192.168.{turn % 20}.{row % 50}" for row in range(ROWS)]
    start_ns = time.time_ns()
    return VerdictBatch(
        model_id="benchmark-1",
        feature_schema_id=feature_schema_id(),
        window_ns=10**9,
        classes=list(CLASSES),
        window_start_ns=[start_ns - row // 50 * 10**9 for row in range(ROWS)],
        host=[host or "" for host in hosts],
        src_mac=hosts,
        src_ip=addresses,
        dst_ip=[f"10.0.0.{each}" for each in random.integers(1, 255, ROWS)],
        label=[CLASSES[each] for each in scores.argmax(axis=1)],
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
    told = asyncio.run(tell(int(port), kind, int(count), float(per_s), float(seconds)))
    print(msgspec.json.encode(told).decode())


if __name__ == "__main__":
    main()
