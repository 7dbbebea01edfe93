"""python -m tests.fuzz --seconds 3600: mutate inputs until time is up; keep what breaks a promise.

Targets: capture files into reader and observer, frames into decode and observer, payloads into the
codec and the topic parser. Each may raise its documented error and nothing else. A finding is
written to a folder with the seed that made it; it becomes a test of its own.
"""

import argparse
import gzip
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from agent.capture.pcap import read_frames, write_frames
from agent.errors import CaptureError
from agent.observe import Observer
from agent.records import NO_VLAN, FrameBatch
from contract import codec, commands, messages, topics

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "agent" / "demo" / "home-lan.pcap.gz"
Target = Callable[[random.Random], bytes]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return data with a few bytes changed, blocks moved, or an end cut off."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not made:
            break
        at = rng.randrange(len(made))
        kind = rng.randrange(6)
        if kind == 0:
            made[at] = rng.randrange(256)
        elif kind == 1:
            made[at : at + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"))
        elif kind == 2:
            del made[at : at + rng.randrange(1, 64)]
        elif kind == 3:
            made[at:at] = rng.randbytes(rng.randrange(1, 64))
        elif kind == 4:
            del made[at:]
        else:
            other = rng.randrange(len(made))
            made[at : at + 32] = made[other : other + 32]
    return bytes(made)


class Fuzzer:
    """Holds the seeds and the targets."""

    def __init__(self, folder: Path, out: Path) -> None:
        self._file = folder / "fuzzed.pcap"
        self.out = out
        self.findings = 0
        self.runs: Counter[str] = Counter()
        frames = next(iter(read_frames(DEMO, 4000)))
        self._frames = [
            frames.data[at : at + size].tobytes()
            for at, size in zip(frames.offset, frames.captured_bytes, strict=True)
        ]
        self._captures = self._capture_seeds(folder, frames)
        self._payloads = _payload_seeds()
        self.targets: dict[str, Target] = {
            "capture": self._capture,
            "frames": self._decode,
            "codec": self._codec,
            "topic": self._topic,
        }

    def _capture_seeds(self, folder: Path, frames: FrameBatch) -> list[bytes]:
        rows = {name: getattr(frames, name) for name in FrameBatch.__struct_fields__}
        few = FrameBatch(**{k: v if k == "data" else v[:60] for k, v in rows.items()})
        write_frames(folder / "seed.pcap", [few])
        classic = (folder / "seed.pcap").read_bytes()
        return [classic, gzip.compress(classic), _pcapng(self._frames[:60])]

    def _capture(self, rng: random.Random) -> bytes:
        data = mutated(rng.choice(self._captures), rng)
        self._file.write_bytes(data)
        observer = Observer()
        try:
            for frames in read_frames(self._file):
                _check(observer, frames)
        except CaptureError:
            return data
        observer.flush()
        return data

    def _decode(self, rng: random.Random) -> bytes:
        chosen = [mutated(rng.choice(self._frames), rng) for _ in range(200)]
        data = b"".join(chosen)
        size = np.array([len(frame) for frame in chosen], np.int64)
        times = [rng.choice((0, 2**63 - 1, 10**18 + i * 10**7)) for i in range(len(chosen))]
        observer = Observer(max_hosts=16)
        _check(
            observer,
            FrameBatch(
                data=np.frombuffer(data, np.uint8),
                offset=np.cumsum(size) - size,
                captured_bytes=size.astype(np.int32),
                wire_bytes=np.array([rng.choice((0, 60, 2**31 - 1)) for _ in chosen], np.int32),
                time_ns=np.array(times, np.int64),
                bridge_port=np.zeros(len(chosen), np.int16),
                vlan_tci=np.full(len(chosen), NO_VLAN, np.int32),
            ),
        )
        observer.flush()
        return data

    def _codec(self, rng: random.Random) -> bytes:
        data = mutated(rng.choice(self._payloads), rng)
        for decode in (
            codec.decode_envelope,
            codec.decode_order,
            codec.decode_signed_order,
            codec.decode_receipt,
        ):
            try:
                codec.encode(decode(data))
            except codec.CodecError:
                continue
        return data

    def _topic(self, rng: random.Random) -> bytes:
        data = mutated(f"{topics.ROOT}/default/pi-1/alerts".encode(), rng)
        try:
            topics.parse(data.decode(errors="replace"))
        except topics.TopicError:
            return data
        return data

    def once(self, seed: int) -> None:
        """Run one target with one seed; keep the seed if a promise broke."""
        rng = random.Random(seed)  # noqa: S311 - to be repeatable is the point
        name = rng.choice(list(self.targets))
        self.runs[name] += 1
        try:
            self.targets[name](rng)
        except Exception:  # noqa: BLE001 - whatever it is, it is the finding
            self.findings += 1
            self.out.mkdir(parents=True, exist_ok=True)
            found = self.out / f"{name}-{seed}.txt"
            found.write_text(traceback.format_exc(), encoding="utf-8")
            print(f"finding: {found}", file=sys.stderr)


def _check(observer: Observer, frames: FrameBatch) -> None:
    observations = observer.feed(frames)
    if not np.isfinite(observations.features).all():
        message = "a feature is not finite"
        raise AssertionError(message)


def _pcapng(frames: list[bytes]) -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        body += b"\0" * (-len(body) % 4)
        size = (len(body) + 12).to_bytes(4, "little")
        return kind.to_bytes(4, "little") + size + body + size

    section = bytes.fromhex("4d3c2b1a01000000ffffffffffffffff")
    parts = [block(0x0A0D0D0A, section), block(1, bytes.fromhex("0100000000000400"))]
    for index, frame in enumerate(frames):
        size = len(frame).to_bytes(4, "little")
        head = bytes(4) + (391_000).to_bytes(4, "little") + index.to_bytes(4, "little")
        parts.append(block(6, head + size + size + frame))
    return b"".join(parts)


def _payload_seeds() -> list[bytes]:
    presence = messages.Presence(online=True, since_ns=1, boot="0" * 16, version="1", model_id="m")
    reading = messages.Reading(sensor_type="t", value=1.5, unit="celsius", read_ns=1)
    told = (presence, messages.Readings(readings=[reading] * 3))
    envelopes = [
        codec.encode(messages.Envelope(boot="0" * 16, seq=1, floor=1, message=m)) for m in told
    ]
    order = codec.encode(
        commands.Order(
            command_id="0" * 32,
            device_id="pi-1",
            nonce="0" * 32,
            issued_ns=1,
            expires_ns=2,
            command=commands.Release(isolation_id="0" * 32, reason="r"),
        )
    )
    signed = codec.encode(commands.SignedOrder(order=order, key_id="0" * 16, signature=bytes(64)))
    receipt = codec.encode(messages.Receipt(boot="0" * 16, upto=7))
    nested = msgspec.msgpack.encode([[[[]]]]) + b"\x91" * 100_000
    return [*envelopes, order, signed, receipt, nested]


def main() -> int:
    """Fuzz until the time is up; return 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0, help="of the first run; each adds one")
    parser.add_argument("--out", type=Path, default=ROOT / ".cache" / "fuzz")
    options = parser.parse_args()
    until = time.monotonic() + options.seconds
    seed: int = options.seed
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = Fuzzer(Path(folder), options.out)
        while time.monotonic() < until:
            fuzzer.once(seed)
            seed += 1
    runs = ", ".join(f"{count:,} {name}" for name, count in sorted(fuzzer.runs.items()))
    print(f"{runs}; {fuzzer.findings} findings; next seed {seed}")
    return 1 if fuzzer.findings else 0


if __name__ == "__main__":
    sys.exit(main())
