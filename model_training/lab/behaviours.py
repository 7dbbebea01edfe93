"""What lab devices do by themselves: telemetry, commands, polling, lookups, announcements."""
# ruff: noqa: PLR0913  (one keyword per property of a device or strength of an attack)

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random

from model_training.lab.redelivery import forgetful_subscriber, stubborn_publisher
from model_training.lab.services import NTP_UNIX_OFFSET_S, scrambled

CHUNK_BYTES = 65_536
RECONNECT_S = (0.5, 2.0)


async def rounds(
    rng: Random, period_s: float, jitter: float, count: int = 0
) -> AsyncIterator[int]:
    """Yield 0, 1, 2, … with a pause of `period_s` ± `jitter` (a share of it) before each."""
    number = 0
    await asyncio.sleep(rng.uniform(0, period_s))
    while not count or number < count:
        yield number
        number += 1
        await asyncio.sleep(period_s * rng.uniform(1 - jitter, 1 + jitter))


@contextlib.asynccontextmanager
async def program(*argv: str, reads: bool = False) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a real tool inside the block."""
    pipe = asyncio.subprocess.PIPE
    out = pipe if reads else asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(
        *argv, stdin=pipe, stdout=out, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.terminate()
            await child.wait()


async def finish(*argv: str, wait_s: float = 30.0) -> None:
    """Run a real tool to its end; what it says does not matter here."""
    with contextlib.suppress(TimeoutError):
        async with program(*argv) as child, asyncio.timeout(wait_s):
            await child.wait()


def reading(rng: Random, size_bytes: int) -> dict[str, object]:
    """Return a sensor reading of about `size_bytes` as JSON."""
    values: dict[str, object] = {
        "t": round(rng.gauss(21, 1.5), 2),
        "rh": round(rng.gauss(45, 5), 1),
    }
    values["rssi"] = rng.randint(-75, -40)
    missing = size_bytes - len(json.dumps(values)) - 12
    return values | ({"raw": rng.randbytes(missing // 2).hex()} if missing > 0 else {})


async def telemetry(
    rng: Random,
    *,
    broker: str,
    topic: str,
    client_id: str,
    period_s: float = 2.0,
    jitter: float = 0.1,
    qos: int = 0,
    size_bytes: int = 60,
    identical: bool = False,
) -> None:
    """Publish readings on one lasting connection; `identical` repeats the very same bytes."""
    argv = ["mosquitto_pub", "-l", "-h", broker, "-t", topic, "-i", client_id, "-q", str(qos)]
    fixed = json.dumps(reading(rng, size_bytes))
    while True:
        async with program(*argv, "-k", "15") as publisher:
            async for _ in rounds(rng, period_s, jitter):
                line = fixed if identical else json.dumps(reading(rng, size_bytes))
                if publisher.stdin is None or publisher.returncode is not None:
                    break
                with contextlib.suppress(OSError):
                    publisher.stdin.write(line.encode() + b"\n")
                    await publisher.stdin.drain()
        await asyncio.sleep(rng.uniform(*RECONNECT_S))


async def subscribe(
    rng: Random, *, broker: str, topic: str, client_id: str, state_topic: str = "", qos: int = 0
) -> None:
    """Listen for commands; report the new state as a device that obeys would."""
    argv = [
        "mosquitto_sub",
        "-h",
        broker,
        "-t",
        topic,
        "-i",
        client_id,
        "-q",
        str(qos),
        "-k",
        "20",
    ]
    state = ["mosquitto_pub", "-h", broker, "-t", state_topic, "-i", f"{client_id}-s", "-m"]
    while True:
        async with program(*argv, reads=True) as subscriber:
            while subscriber.stdout and (line := await subscriber.stdout.readline()):
                if state_topic:
                    await asyncio.sleep(rng.uniform(0.02, 0.2))
                    await finish(*state, f'{{"ack":{json.dumps(line.decode().strip())[:80]}}}')
        await asyncio.sleep(rng.uniform(*RECONNECT_S))


async def command(
    rng: Random,
    *,
    broker: str,
    client_id: str,
    commands: list[list[str]],
    period_s: float = 10.0,
    count: int = 0,
    qos: int = 0,
) -> None:
    """Send one of `commands` ([topic, payload]) now and then, a connection each."""
    async for _ in rounds(rng, period_s, 0.6, count):
        topic, payload = rng.choice(commands)
        argv = ["mosquitto_pub", "-h", broker, "-i", client_id, "-q", str(qos)]
        await finish(*argv, "-t", topic, "-m", payload)


async def heartbeat(
    rng: Random, *, host: str, port: int = 8886, period_s: float = 5.0, size_bytes: int = 20
) -> None:
    """Keep a connection to the vendor's push service alive, as many gadgets do."""
    while True:
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection(host, port)
            with contextlib.closing(writer):
                async for _ in rounds(rng, period_s, 0.1):
                    writer.write(rng.randbytes(size_bytes))
                    async with asyncio.timeout(5):
                        if not await reader.read(512):
                            break
        await asyncio.sleep(rng.uniform(*RECONNECT_S))


def dns_query(rng: Random, name: str, kind: int = 1) -> bytes:
    """Return a recursive query for an A (1) or AAAA (28) record."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    head = struct.pack(">HHHHHH", rng.getrandbits(16), 0x0100, 1, 0, 0, 0)
    return head + labels + b"\0" + struct.pack(">HH", kind, 1)


async def exchange(target: str, port: int, data: bytes, *, wait_s: float = 2.0) -> bytes:
    """Send one datagram from a fresh local port and return the answer, empty when none came."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setblocking(False)  # noqa: FBT003  (the standard library's signature)
        with contextlib.suppress(TimeoutError, OSError):  # no route while the device restarts
            udp.connect((target, port))
            udp.send(data)
            async with asyncio.timeout(wait_s):
                return await loop.sock_recv(udp, 4096)
    return b""


async def lookup(rng: Random, *, server: str, names: list[str], period_s: float = 8.0) -> None:
    """Resolve one of `names` now and then, often IPv4 and IPv6 together."""
    async for _ in rounds(rng, period_s, 0.7):
        name = rng.choice(names)
        await exchange(server, 53, dns_query(rng, name))
        if rng.random() < 0.4:  # noqa: PLR2004
            await exchange(server, 53, dns_query(rng, name, 28))


async def ntp(rng: Random, *, server: str, period_s: float = 16.0, burst: int = 1) -> None:
    """Ask for the time like an SNTP client."""
    async for _ in rounds(rng, period_s, 0.1):
        for _ in range(burst):
            seconds, rest_ns = divmod(time.time_ns(), 1_000_000_000)
            stamp = (seconds + NTP_UNIX_OFFSET_S & 0xFFFFFFFF, (rest_ns << 32) // 10**9)
            await exchange(server, 123, struct.pack(">B39xII", 0x23, *stamp))


async def ping(rng: Random, *, target: str, period_s: float = 15.0, count: int = 3) -> None:
    """Check that `target` is there."""
    async for _ in rounds(rng, period_s, 0.3):
        await finish("busybox", "ping", "-c", str(count), "-W", "1", target)


async def fetch(
    host: str,
    port: int,
    path: str,
    *,
    method: str = "GET",
    body: bytes = b"",
    agent: str = "okhttp/4.9.3",
    limit_s: float = 30.0,
    bytes_per_second: float = 0.0,
) -> None:
    """Make one HTTP request on its own connection and read the answer until `limit_s`."""
    with contextlib.suppress(OSError, TimeoutError, EOFError):
        async with asyncio.timeout(limit_s):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n"
                head += f"Content-Length: {len(body)}\r\n" if body else ""
                writer.write(f"{head}Connection: close\r\n\r\n".encode())
                for start in range(0, len(body), CHUNK_BYTES):
                    writer.write(body[start : start + CHUNK_BYTES])
                    await writer.drain()
                    await _paced(CHUNK_BYTES, bytes_per_second)
                while chunk := await reader.read(CHUNK_BYTES):
                    await _paced(len(chunk), bytes_per_second)
            finally:
                writer.close()


async def _paced(size_bytes: int, bytes_per_second: float) -> None:
    if bytes_per_second:
        await asyncio.sleep(size_bytes / bytes_per_second)


async def view(
    rng: Random,
    *,
    host: str,
    port: int = 80,
    path: str = "/snapshot.jpg",
    period_s: float = 4.0,
    jitter: float = 0.2,
    agent: str = "okhttp/4.9.3",
) -> None:
    """Poll a page or a camera snapshot."""
    async for _ in rounds(rng, period_s, jitter):
        await fetch(host, port, path, agent=agent)


async def post(
    rng: Random, *, host: str, port: int = 80, size_bytes: int = 300, period_s: float = 9.0
) -> None:
    """Report to a vendor's cloud."""
    async for _ in rounds(rng, period_s, 0.3):
        body = json.dumps(reading(rng, size_bytes)).encode()
        await fetch(
            host, port, "/v1/report", method="POST", body=body, agent="ESP32 HTTP Client/1.0"
        )


async def transfer(
    rng: Random,
    *,
    host: str,
    port: int = 80,
    size_bytes: int,
    upload: bool = False,
    seconds: float = 30.0,
    bytes_per_second: float = 0.0,
    path: str = "",
) -> None:
    """Move one big thing: firmware down, a backup up, or a video stream for `seconds`."""
    await fetch(
        host,
        port,
        path or ("/backup" if upload else f"/firmware/{size_bytes}"),
        method="PUT" if upload else "GET",
        body=rng.randbytes(size_bytes) if upload else b"",
        limit_s=seconds,
        bytes_per_second=bytes_per_second,
    )


async def coap_set(
    rng: Random, *, target: str, path: str = "light", period_s: float = 6.0, body: str = '{"on":1}'
) -> None:
    """Switch a CoAP device with confirmable PUTs."""
    async for _ in rounds(rng, period_s, 0.5):
        await exchange(
            target, 5683, coap_put(rng.getrandbits(16), rng.getrandbits(16), path, body)
        )


def coap_put(message_id: int, token: int, path: str, body: str) -> bytes:
    """Return a confirmable CoAP PUT."""
    head = struct.pack(">BBHH", 0x42, 0x03, message_id, token)
    return head + bytes([0xB0 | len(path)]) + path.encode() + b"\xff" + body.encode()


async def plug_set(rng: Random, *, target: str, period_s: float = 7.0) -> None:
    """Switch a smart plug over its control port, a connection per command."""
    async for number in rounds(rng, period_s, 0.4):
        order = scrambled({"system": {"set_relay_state": {"state": number % 2}}})
        with contextlib.suppress(OSError, TimeoutError, EOFError):
            async with asyncio.timeout(3):
                reader, writer = await asyncio.open_connection(target, 9999)
                writer.write(order)
                await reader.readexactly(4)
                writer.close()


async def announce(rng: Random, *, kind: str, name: str, ip: str, period_s: float = 10.0) -> None:
    """Announce the device by mDNS or look around by SSDP."""
    group, port = ("224.0.0.251", 5353) if kind == "mdns" else ("239.255.255.250", 1900)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(ip))
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255 if kind == "mdns" else 4)
        udp.bind((ip, 5353 if kind == "mdns" else 0))
        async for _ in rounds(rng, period_s, 0.4):
            with contextlib.suppress(OSError):  # no address while the device restarts
                udp.sendto(_announcement(kind, name, ip), (group, port))


def _announcement(kind: str, name: str, ip: str) -> bytes:
    if kind == "mdns":
        owner = bytes([len(name)]) + name.encode() + b"\x05local\0"
        head = struct.pack(">HHHHHH", 0, 0x8400, 0, 1, 0, 0)
        return head + owner + struct.pack(">HHIH", 1, 0x8001, 120, 4) + socket.inet_aton(ip)
    lines = ["M-SEARCH * HTTP/1.1", "HOST: 239.255.255.250:1900", 'MAN: "ssdp:discover"', "MX: 1"]
    return "\r\n".join([*lines, "ST: upnp:rootdevice", "", ""]).encode()


async def boot(_rng: Random, *, name: str, script: str, ip: str, router: str) -> None:
    """Come up like a device after a power cut: link, DHCP, gratuitous ARP, time, lookup."""
    await finish("ip", "addr", "flush", "dev", "eth0", "scope", "global")
    await finish("ip", "link", "set", "eth0", "down")
    await finish("ip", "link", "set", "eth0", "up")
    dhcp = [
        "busybox",
        "udhcpc",
        "-i",
        "eth0",
        "-n",
        "-q",
        "-f",
        "-t",
        "5",
        "-T",
        "2",
        "-s",
        script,
    ]
    await finish(*dhcp, "-x", f"hostname:{name}", "-V", "udhcp 1.35.0")
    if not _has_default_route():
        await finish("ip", "addr", "replace", f"{ip}/24", "dev", "eth0")
        await finish("ip", "route", "replace", "default", "via", router)
    await gratuitous_arp(_rng, ip=ip)


def _has_default_route() -> bool:
    return "\t00000000\t" in Path("/proc/net/route").read_text(encoding="ascii")


async def gratuitous_arp(_rng: Random, *, ip: str, count: int = 2) -> None:
    """Claim `ip` for this interface, as after a failover."""
    await finish("busybox", "arping", "-U", "-c", str(count), "-I", "eth0", ip)


async def take_over(_rng: Random, *, ip: str, count: int = 3) -> None:
    """Become the new holder of a shared address (failover)."""
    await finish("ip", "addr", "replace", f"{ip}/24", "dev", "eth0")
    await gratuitous_arp(_rng, ip=ip, count=count)


async def give_up(_rng: Random, *, ip: str) -> None:
    """Stop holding a shared address."""
    await finish("ip", "addr", "del", f"{ip}/24", "dev", "eth0")


BEHAVIOURS: dict[str, Callable[..., Awaitable[None]]] = {
    "announce": announce,
    "boot": boot,
    "coap_set": coap_set,
    "command": command,
    "forgetful_subscriber": forgetful_subscriber,
    "give_up": give_up,
    "gratuitous_arp": gratuitous_arp,
    "heartbeat": heartbeat,
    "lookup": lookup,
    "ntp": ntp,
    "ping": ping,
    "plug_set": plug_set,
    "post": post,
    "stubborn_publisher": stubborn_publisher,
    "subscribe": subscribe,
    "take_over": take_over,
    "telemetry": telemetry,
    "transfer": transfer,
    "view": view,
}
