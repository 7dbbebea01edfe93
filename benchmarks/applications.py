"""What devices of an IoT network say to whom: scripts of packets, with payloads of real protocols."""

import enum
import struct
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np

from benchmarks.frames import ARP, ICMP, ICMPV6, IPV4, IPV6, TCP, UDP, Template

FIN, SYN, PSH, ACK = 1, 2, 8, 16
_SYNTHETIC: Final = np.random.default_rng(7).bytes(2048)  # pictures and what is encrypted
_MORE_FRAGMENTS: Final = 0x2000


class Side(enum.Enum):
    """Who sends."""

    CLIENT = enum.auto()
    SERVER = enum.auto()


class Step(NamedTuple):
    """One packet of a script, `gap_s` after the one before; a pair shares its stamp."""

    gap_s: float
    sender: Side
    template: int
    tcp_flags: int = 0
    repeats_stamp: bool = False


Server = Literal["gateway", "broker", "recorder", "cloud", "peer", "group"]


class Application(msgspec.Struct, frozen=True):
    """Sessions that follow one script; `share` is of the network's packets."""

    name: str
    share: float
    steps: list[Step]
    server: Server
    port: int
    kinds: tuple[int, ...] = (0, 1, 2, 3, 4, 5)  # which devices, by their number modulo six
    group: tuple[int, int] = (0, 0)  # MAC and address, where the server is a group
    client_port: int = 0  # 0: an ephemeral one for each session


TEMPLATES: Final[list[Template]] = []


def _template(
    ethertype: int, protocol: int = 0, payload: bytes = b"", stamp_at: int = -1, **more: int
) -> int:
    """Add a template; return its number. Four digits @@@@ of a text are where its stamp goes."""
    stamp_at = payload.find(b"@@@@") if stamp_at < 0 else stamp_at
    TEMPLATES.append(Template(ethertype, protocol, payload, stamp_at, **more))
    return len(TEMPLATES) - 1


def _mqtt(kind: int, body: bytes) -> bytes:
    return bytes([kind, len(body)]) + body


def _text(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def _tls(record_bytes: int) -> bytes:
    return b"\x17\x03\x03" + struct.pack(">H", record_bytes) + _SYNTHETIC[:record_bytes]


def _dns(flags: int, answers: int, rest: bytes) -> bytes:
    return struct.pack(">HHHHHH", 0, flags, 1, answers, 0, 0) + rest


EMPTY: Final = _template(IPV4, TCP)
EMPTY_6: Final = _template(IPV6, TCP)
_CONNECT: Final = _template(
    IPV4, TCP, _mqtt(0x10, _text(b"MQTT") + b"\x04\x02\x00\x3c" + _text(b"device-@@@@"))
)
_CONNACK: Final = _template(IPV4, TCP, b"\x20\x02\x00\x00")
_PUBLISH: Final = [
    _template(IPV4, TCP, _mqtt(0x30, _text(topic) + value))
    for topic, value in (
        (b"home/kitchen/temperature", b'{"celsius":@@@@}'),
        (b"home/hall/motion", b'{"occupied":false,"battery":@@@@}'),
        (b"home/garden/soil", b'{"moisture":0.31,"light":1200,"battery":64,"uptime":@@@@}'),
    )
]
_MQTT_PING: Final = _template(IPV4, TCP, b"\xc0\x00")
_MQTT_PONG: Final = _template(IPV4, TCP, b"\xd0\x00")
_MQTT_BYE: Final = _template(IPV4, TCP, b"\xe0\x00")
_GET: Final = _template(
    IPV4, TCP, b"GET /snapshot.jpg?n=@@@@ HTTP/1.1\r\nHost: camera.home\r\nAccept: */*\r\n\r\n"
)
_OK: Final = _template(
    IPV4, TCP, b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 27740\r\n\r\n"
)
_PICTURE: Final = _template(IPV4, TCP, _SYNTHETIC[:1380], 8)
_STATUS: Final = _template(
    IPV4, TCP, b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n" + b'{"power":"on","n":"@@@@"}'
)
_HELLO: Final = _template(
    IPV4, TCP, b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03" + _SYNTHETIC[:250], 11
)
_CERTIFICATE: Final = _template(IPV4, TCP, b"\x16\x03\x03\x04\xfb" + _SYNTHETIC[:1275], 30)
_TLS_SMALL: Final = _template(IPV4, TCP, _tls(90), 8)
_TLS_LARGE: Final = _template(IPV4, TCP, _tls(700), 8)
_TLS_SMALL_6: Final = _template(IPV6, TCP, _tls(120), 8)
_RTP: Final = _template(IPV4, UDP, b"\x80\x60" + _SYNTHETIC[:1182], 4)
_QUESTION: Final = b"\x05cloud\x07example\x03com\x00\x00\x01\x00\x01"
_DNS_QUERY: Final = _template(IPV4, UDP, _dns(0x0100, 0, _QUESTION), 0, stamp_bytes=2)
_DNS_ANSWER: Final = _template(
    IPV4,
    UDP,
    _dns(
        0x8180, 1, _QUESTION + b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\xc6\x33\x64\x07"
    ),
    0,
    stamp_bytes=2,
)
_MDNS: Final = _template(
    IPV4, UDP, _dns(0, 0, b"\x04_hap\x04_tcp\x05local\x00\x00\x0c\x00\x01"), hop_limit=255
)
_SSDP: Final = _template(
    IPV4,
    UDP,
    b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 2\r\n'
    b"ST: ssdp:all\r\n\r\n",
    hop_limit=4,
)
_NTP_QUESTION: Final = _template(IPV4, UDP, b"\x23" + bytes(47), 44)
_NTP_ANSWER: Final = _template(IPV4, UDP, b"\x24\x02\x03\xe9" + bytes(44), 44)
_COAP_GET: Final = _template(IPV4, UDP, b"\x44\x01\x00\x01\x00\x00\x00\x00\xb5state", 4)
_COAP_CONTENT: Final = _template(
    IPV4, UDP, b'\x64\x45\x00\x01\x00\x00\x00\x00\xc0\xff{"on":true}', 4
)
_COAP_GET_6: Final = _template(IPV6, UDP, b"\x44\x01\x00\x01\x00\x00\x00\x00\xb5state", 4)
_COAP_CONTENT_6: Final = _template(IPV6, UDP, b"\x64\x45\x00\x01\x00\x00\x00\x00\xff21.5", 4)
_ARP_REQUEST: Final = _template(ARP)
_ARP_REPLY: Final = _template(ARP, operation=2)
_ROUTER: Final = bytes.fromhex("fd000ed6e0000000") + (0x0200_0000_0000_0000).to_bytes(8, "big")
_SOLICITATION: Final = _template(IPV6, ICMPV6, b"\x87\0\0\0\0\0\0\0" + _ROUTER, hop_limit=255)
_ADVERTISEMENT: Final = _template(IPV6, ICMPV6, b"\x88\0\0\0\xe0\0\0\0" + _ROUTER, hop_limit=255)
_PING: Final = _template(IPV4, ICMP, b"\x08\0\0\0" + bytes(60), 4)
_PONG: Final = _template(IPV4, ICMP, b"\0\0\0\0" + bytes(60), 4)
_WHOLE: Final = _SYNTHETIC[:1800]
_FIRST_PART: Final = _template(IPV4, UDP, _WHOLE[:1472], fragment=_MORE_FRAGMENTS)
_LATER_PART: Final = _template(IPV4, UDP, _WHOLE[1472:], fragment=1480 // 8)


_C, _S = Side.CLIENT, Side.SERVER


def _connection(exchanges: Sequence[tuple[float, Side, int]], empty: int = EMPTY) -> list[Step]:
    """Put a handshake before, acknowledgements between and a teardown behind some segments."""
    steps = [Step(0, _C, empty, SYN), Step(0.002, _S, empty, SYN | ACK)]
    steps.append(Step(0.001, _C, empty, ACK))
    for gap_s, sender, template in exchanges:
        steps.append(Step(gap_s, sender, template, PSH | ACK))
        steps.append(Step(0.002, _S if sender is _C else _C, empty, ACK))
    steps += [Step(0.01, _C, empty, FIN | ACK), Step(0.002, _S, empty, FIN | ACK)]
    return [*steps, Step(0.001, _C, empty, ACK)]


def _pair(ask: int, answer: int) -> list[Step]:
    return [Step(0, _C, ask), Step(0.004, _S, answer, repeats_stamp=True)]


_TO_BROKER: Final = [
    (0.01, _C, _CONNECT),
    (0.01, _S, _CONNACK),
    *(part for _ in range(4) for part in [(1.1, _C, each) for each in _PUBLISH]),
    (3.0, _C, _MQTT_PING),
    (0.01, _S, _MQTT_PONG),
    (0.01, _C, _MQTT_BYE),
]
_TO_CLOUD: Final = [
    (0.02, _C, _HELLO),
    (0.05, _S, _CERTIFICATE),
    *(part for _ in range(6) for part in ((0.4, _C, _TLS_SMALL), (0.08, _S, _TLS_LARGE))),
]
_CAMERA, _SENSOR, _PLUG, _SPEAKER, _PHONE, _HUB = range(6)

APPLICATIONS: Final = (
    Application("mqtt", 0.24, _connection(_TO_BROKER), "broker", 1883, (_SENSOR, _PLUG, _HUB)),
    Application("video", 0.14, [Step(0.01, _C, _RTP)] * 400, "recorder", 5004, (_CAMERA,)),
    Application(
        "snapshot",
        0.14,
        _connection([(0.01, _C, _GET), (0.02, _S, _OK), *[(0.002, _S, _PICTURE)] * 20]),
        "peer",
        80,
        (_HUB, _PHONE),
    ),
    Application(
        "tls", 0.12, _connection(_TO_CLOUD), "cloud", 443, (_SPEAKER, _PHONE, _HUB, _CAMERA)
    ),
    Application("http", 0.08, _connection([(0.01, _C, _GET), (0.02, _S, _STATUS)]), "peer", 80),
    Application("coap", 0.08, _pair(_COAP_GET, _COAP_CONTENT), "peer", 5683, (_PLUG, _HUB)),
    Application("dns", 0.06, _pair(_DNS_QUERY, _DNS_ANSWER), "gateway", 53),
    Application("arp", 0.03, _pair(_ARP_REQUEST, _ARP_REPLY), "gateway", 0),
    Application(
        "tls6",
        0.03,
        _connection([(0.1, _S if n % 2 else _C, _TLS_SMALL_6) for n in range(8)], EMPTY_6),
        "cloud",
        443,
        (_SPEAKER, _PHONE),
    ),
    Application(
        "mdns",
        0.02,
        [Step(0, _C, _MDNS)],
        "group",
        5353,
        group=(0x0100_5E00_00FB, 0xE000_00FB),
        client_port=5353,
    ),
    Application("ntp", 0.01, _pair(_NTP_QUESTION, _NTP_ANSWER), "cloud", 123, client_port=123),
    Application(
        "ssdp",
        0.01,
        [Step(0, _C, _SSDP)],
        "group",
        1900,
        kinds=(_PHONE, _SPEAKER),
        group=(0x0100_5E7F_FFFA, 0xEFFF_FFFA),
    ),
    Application("neighbours", 0.01, _pair(_SOLICITATION, _ADVERTISEMENT), "gateway", 0),
    Application("coap6", 0.01, _pair(_COAP_GET_6, _COAP_CONTENT_6), "peer", 5683, (_PLUG, _HUB)),
    Application("ping", 0.01, _pair(_PING, _PONG), "peer", 0),
    Application(
        "firmware",
        0.01,
        [Step(0, _C, _FIRST_PART), Step(0.0001, _C, _LATER_PART, repeats_stamp=True)],
        "recorder",
        6000,
    ),
)
# fmt: on
