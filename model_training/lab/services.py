"""Servers that lab devices run: web with a camera, telnet and FTP logins, CoAP, plug control, SNTP."""
# ruff: noqa: PLR0913  (one keyword per property of a device or strength of an attack)

import asyncio
import base64
import json
import struct
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import cast

JPEG_START, JPEG_END = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x02\x00\x00", b"\xff\xd9"
NTP_UNIX_OFFSET_S = 2_208_988_800
EVERYWHERE = "0.0.0.0"  # noqa: S104  (inside a namespace)
ORDER_SHARE = 0.1  # of heartbeats that a bot's command server answers with an order
_IAC_WILL_ECHO = b"\xff\xfb\x01\xff\xfb\x03\xff\xfd\x18"

Connection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def jpeg(rng: Random, size_bytes: int) -> bytes:
    """Return a body that starts and ends like a JPEG; about `size_bytes`, never twice the same."""
    noise = rng.randbytes(max(64, int(size_bytes * rng.uniform(0.85, 1.15))))
    return JPEG_START + noise.replace(b"\xff", b"\xff\x00") + JPEG_END


async def listen(port: int, connection: Connection) -> None:
    """Serve TCP for ever; a client that goes away is no error."""

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(120):
                await connection(reader, writer)
        except (OSError, TimeoutError, EOFError, ValueError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(guarded, EVERYWHERE, port, backlog=128)
    async with server:
        await server.serve_forever()


class WebServer:
    """Snapshots, MJPEG, firmware of any size, uploads and a password page."""

    def __init__(
        self,
        rng: Random,
        *,
        image_bytes: int,
        frames_per_second: float,
        password: str,
        server_name: str,
    ) -> None:
        self._rng = rng
        self._image_bytes = image_bytes
        self._frames_per_second = frames_per_second
        self._wanted = "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()
        self._has_password = bool(password)
        self._first_lines = f"Server: {server_name}\r\nContent-Type: "

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests on one connection until it closes."""
        closing = False
        while not closing:
            request = await reader.readuntil(b"\r\n\r\n")
            first, *lines = request.decode("latin-1").split("\r\n")
            method, path = first.split(" ")[:2]
            parts = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in parts}
            await reader.readexactly(int(headers.get("content-length", "0")))
            if path.startswith("/stream"):
                await self._stream(writer)
            writer.write(self._page(method, path, headers.get("authorization", "")))
            await writer.drain()
            closing = headers.get("connection", "").lower() == "close"

    def _answer(self, status: str, body: bytes, kind: str, extra: str = "") -> bytes:
        head = f"HTTP/1.1 {status}\r\n{self._first_lines}{kind}\r\n{extra}"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        kind = "multipart/x-mixed-replace; boundary=frame"
        writer.write(f"HTTP/1.1 200 OK\r\n{self._first_lines}{kind}\r\n\r\n".encode())
        while not writer.is_closing():
            image = jpeg(self._rng, self._image_bytes)
            part = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(image)}\r\n\r\n"
            writer.write(part.encode() + image + b"\r\n")
            await writer.drain()
            await asyncio.sleep(self._rng.uniform(0.9, 1.1) / self._frames_per_second)

    def _page(self, method: str, path: str, authorization: str) -> bytes:
        if path.startswith("/admin") and self._has_password:
            return self._settings(authorization)
        if path.startswith("/snapshot"):
            return self._answer("200 OK", jpeg(self._rng, self._image_bytes), "image/jpeg")
        if path.startswith("/firmware/"):
            body = self._rng.randbytes(int(path.rsplit("/", 1)[1]))
            return self._answer("200 OK", body, "application/octet-stream")
        if method in {"POST", "PUT"}:
            return self._answer("200 OK", b'{"ok":true}', "application/json")
        body = b"<html><body>" + b"status ok. " * 60 + b"</body></html>"
        return self._answer("200 OK", body, "text/html")

    def _settings(self, authorization: str) -> bytes:
        if authorization == self._wanted:
            return self._answer("200 OK", b"<html>settings</html>", "text/html")
        challenge = 'WWW-Authenticate: Basic realm="device"\r\n'
        return self._answer("401 Unauthorized", b"<html>401</html>", "text/html", challenge)


async def web(
    rng: Random,
    *,
    port: int = 80,
    image_bytes: int = 12_000,
    frames_per_second: float = 4.0,
    password: str = "",
    server_name: str = "mini_httpd/1.30",
) -> None:
    """Serve a device's web page and camera."""
    server = WebServer(
        rng,
        image_bytes=image_bytes,
        frames_per_second=frames_per_second,
        password=password,
        server_name=server_name,
    )
    await listen(port, server)


async def telnet_login(
    rng: Random, *, port: int = 23, banner: str = "dvrdvs", password: str = ""
) -> None:
    """Ask for login and password like a camera's telnet; three tries, then hang up."""

    async def line(reader: asyncio.StreamReader) -> str:
        async with asyncio.timeout(20):
            return _after_options(await reader.readuntil(b"\n"))

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_IAC_WILL_ECHO + f"\r\n{banner} ".encode())
        for _ in range(3):
            writer.write(b"login: ")
            await line(reader)
            writer.write(b"Password: ")
            given = await line(reader)
            await asyncio.sleep(rng.uniform(0.05, 0.2))
            if password and given == password:
                writer.write(b"\r\n\r\nBusyBox v1.12.1 built-in shell (ash)\r\n\r\n# ")
                while await line(reader):
                    writer.write(b"\r\nsh: applet not found\r\n# ")
            writer.write(b"\r\nLogin incorrect\r\n")
            await writer.drain()

    await listen(port, connection)


def _after_options(raw: bytes) -> str:
    """Return the text of a line behind three-byte telnet options."""
    rest = raw
    while rest[:1] == b"\xff" and len(rest) > 3:  # noqa: PLR2004  (IAC, verb, option)
        rest = rest[3:]
    return rest.decode("latin-1").strip("\r\n\0 ")


async def ftp_login(rng: Random, *, port: int = 21, password: str = "") -> None:
    """Answer USER and PASS like the FTP server of a small NAS."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 Welcome to NAS FTP service.\r\n")
        while raw := await reader.readline():
            verb, _, argument = raw.decode("latin-1").strip().partition(" ")
            match verb.upper():
                case "USER":
                    writer.write(b"331 Please specify the password.\r\n")
                case "PASS":
                    await asyncio.sleep(rng.uniform(0.05, 0.15))
                    good = bool(password) and argument == password
                    writer.write(
                        b"230 Login successful.\r\n" if good else b"530 Login incorrect.\r\n"
                    )
                case "QUIT":
                    writer.write(b"221 Goodbye.\r\n")
                    return
                case _:
                    writer.write(b"530 Please login with USER and PASS.\r\n")
            await writer.drain()

    await listen(port, connection)


async def plug_control(rng: Random, *, port: int = 9999) -> None:
    """Answer length-prefixed scrambled JSON commands, as smart plugs do on this port."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            (length,) = struct.unpack(">I", await reader.readexactly(4))
            await reader.readexactly(min(length, 65_535))
            status = {
                "system": {"set_relay_state": {"err_code": 0}},
                "rssi": rng.randint(-70, -40),
            }
            writer.write(scrambled(status))
            await writer.drain()

    await listen(port, connection)


def scrambled(command: dict[str, object]) -> bytes:
    """Return a plug command: length, then JSON under an autokey XOR."""
    key, body = 171, bytearray()
    for byte in json.dumps(command, separators=(",", ":")).encode():
        key ^= byte
        body.append(key)
    return struct.pack(">I", len(body)) + bytes(body)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11 hands over a transport that is no DatagramTransport by inheritance
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if self._transport and (reply := self._answer(data)):
            self._transport.sendto(reply, address)


async def _serve_datagrams(
    port: int, answer: Callable[[bytes], bytes], address: str = EVERYWHERE
) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: _Datagrams(answer), local_addr=(address, port))
    await asyncio.Event().wait()


async def coap(_rng: Random, *, port: int = 5683) -> None:
    """Acknowledge CoAP requests: 2.04 Changed for PUT and POST, 2.05 Content for GET."""

    def answer(data: bytes) -> bytes:
        if len(data) < 4 or data[0] >> 6 != 1:  # noqa: PLR2004  (CoAP header)
            return b""
        token = data[4 : 4 + (data[0] & 15)]
        code = 0x45 if data[1] == 1 else 0x44
        body = b"\xff" + b'{"state":"on"}' if code == 0x45 else b""  # noqa: PLR2004
        return bytes([0x60 | len(token), code]) + data[2:4] + token + body

    await _serve_datagrams(port, answer)


async def sntp(_rng: Random, *, port: int = 123, address: str = EVERYWHERE) -> None:
    """Answer time requests as a stratum 2 server."""

    def answer(data: bytes) -> bytes:
        if len(data) < 48:  # noqa: PLR2004  (an NTP packet)
            return b""
        now_ns = time.time_ns()
        seconds, rest_ns = divmod(now_ns, 1_000_000_000)
        stamp = struct.pack(
            ">II", seconds + NTP_UNIX_OFFSET_S & 0xFFFFFFFF, (rest_ns << 32) // 10**9
        )
        head = struct.pack(">BBbbII4s", 0x24, 2, 6, -20, 0x120, 0x240, b"\xc6\x33\x64\x05")
        return head + stamp + data[40:48] + stamp + stamp

    await _serve_datagrams(port, answer, address)


async def control(rng: Random, *, port: int = 6667) -> None:
    """Keep bots waiting for orders: answer their heartbeat, now and then with an order."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while heartbeat := await reader.read(512):
            await asyncio.sleep(rng.uniform(0.01, 0.1))
            order = rng.randbytes(rng.choice([14, 26]))
            writer.write(order if rng.random() < ORDER_SHARE else heartbeat[:2])
            await writer.drain()

    await listen(port, connection)


SERVICES: dict[str, Callable[..., Awaitable[None]]] = {
    "control": control,
    "web": web,
    "telnet_login": telnet_login,
    "ftp_login": ftp_login,
    "plug_control": plug_control,
    "coap": coap,
    "sntp": sntp,
}
