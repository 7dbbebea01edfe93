"""What devices say to everybody on the link, and to find each other."""

import msgspec

from model_training.synthetic.home import Home, between
from model_training.synthetic.talk import Connection, converse, down, up
from model_training.synthetic.wire import (
    BROADCAST,
    ICMP,
    UDP,
    Host,
    arp,
    datagram,
    echo,
    ipv4,
    neighbour6,
)


def group_of(ip: bytes) -> Host:
    """Return all who listen at a multicast or broadcast address."""
    mac = BROADCAST if ip[0] == 255 else b"\x01\0\x5e" + bytes([ip[1] & 127]) + ip[2:]
    return Host("group", mac, ip)


def sending_to_all(home: Home, who: Host) -> None:
    """Send sound or pictures to everybody who listens, as speakers in all rooms and receivers of television do."""
    rng = home.rng
    everyone = group_of(b"\xef" + rng.randbytes(3))
    ports, size = (rng.randint(5000, 60000), rng.randint(5000, 60000)), rng.randint(120, 1328)
    begin, end = sorted((rng.uniform(0, home.seconds), rng.uniform(0, home.seconds)))
    end = min(end, begin + rng.uniform(3, 20))
    for at in home.times(1 / between(rng, 20, 1000), 0.1, begin):
        if at > end:
            break
        home.tape.put(at, ipv4(who, everyone, UDP, datagram(ports, rng.randbytes(size)), ttl=16))


def telling(home: Home, who: Host) -> None:
    """Send log lines, counts of flows or measurements to who never answers."""
    rng = home.rng
    peer = home.someone(who)
    ports = (rng.randint(32768, 60999), rng.choice((514, 2055, 4739, 6343, 8089, 8125)))
    shortest = rng.randint(20, 200)
    longest = shortest + rng.choice((5, 200, 1000))
    begin = rng.uniform(-home.seconds / 2, home.seconds)
    end = begin + between(rng, 2, 60)
    for at in home.times(1 / between(rng, 2, 300), 0.9, max(begin, 0.0)):
        if at > end:
            break
        line = rng.randbytes(rng.randint(shortest, longest))
        home.tape.put(at, ipv4(who, peer, UDP, datagram(ports, line)))


def announcements(home: Home, who: Host) -> None:
    """Speak to everyone: mDNS, SSDP, NetBIOS, vendor discovery."""
    rng = home.rng
    group, port = rng.choice(
        (
            (b"\xe0\0\0\xfb", 5353),
            (b"\xef\xff\xff\xfa", 1900),
            (b"\xff" * 4, 6667),
            (b"\xff" * 4, 137),
        )
    )
    source = port if rng.random() < 0.6 else rng.randint(32768, 60999)
    everyone = group_of(group)
    for at in home.times(between(rng, 2, 40), 0.4):
        for number in range(rng.choice((1, 1, 2, 3, 6))):
            body = datagram((source, port), rng.randbytes(rng.randint(60, 320)))
            home.tape.put(
                at + 0.05 * number, ipv4(who, everyone, UDP, body, ttl=rng.choice((1, 255)))
            )


def discovery(home: Home, who: Host) -> None:
    """Search by SSDP and be answered by some devices, as a television does."""
    rng = home.rng
    everyone = group_of(bytes((239, 255, 255, 250)))
    answering = rng.sample(home.devices, min(len(home.devices), rng.randint(0, 5)))
    parts = rng.choice((1, 1, 3, 8))  # one for each of its services
    for at in home.times(between(rng, 1, 60), 0.4):
        source = rng.randint(32768, 60999)
        home.tape.put(
            at, ipv4(who, everyone, UDP, datagram((source, 1900), rng.randbytes(130)), ttl=4)
        )
        for number, peer in enumerate(answering):
            for part in range(parts):
                body = datagram((rng.choice((1900, 49153)), source), rng.randbytes(280))
                home.tape.put(at + 0.03 * (number + 1 + part), ipv4(peer, who, UDP, body))


def pings(home: Home, who: Host) -> None:
    """Check that some machines are there."""
    rng = home.rng
    targets = [
        home.router,
        *rng.sample(home.devices, min(len(home.devices), rng.choice((0, 0, 1, 3, 6)))),
    ]
    number, size = 0, rng.choice((32, 56, 56, 64))
    for at in home.times(between(rng, 1, 30), 0.1):
        for index, peer in enumerate(targets):
            number += 1
            home.tape.put(
                at + index * 0.1, ipv4(who, peer, ICMP, echo(8, 0, number, rng.randbytes(size)))
            )
            if rng.random() < 0.97:
                home.tape.put(
                    at + index * 0.1 + 0.002,
                    ipv4(peer, who, ICMP, echo(0, 0, number, rng.randbytes(size))),
                )


def boot(home: Home, who: Host) -> None:
    """Come up: DHCP, probes of the own address, a gratuitous claim."""
    rng, at = home.rng, home.rng.uniform(0, home.seconds * 0.8)
    everyone = Host("all", BROADCAST, b"\xff" * 4)
    number = rng.randbytes(4)
    for step in range(2):
        body = (
            bytes((1, 1, 6, 0))
            + number
            + bytes(20)
            + who.mac
            + bytes(10 + 192)
            + rng.randbytes(60)
        )
        home.tape.put(
            at + step * 0.1, ipv4(who, everyone, UDP, datagram((68, 67), body), as_ip=bytes(4))
        )
        body = (
            bytes((2, 1, 6, 0))
            + number
            + bytes(8)
            + who.ip
            + bytes(8)
            + who.mac
            + bytes(10 + 192)
            + rng.randbytes(60)
        )
        home.tape.put(
            at + step * 0.1 + 0.02, ipv4(home.lease_server, who, UDP, datagram((67, 68), body))
        )
    for step in range(rng.randint(1, 3)):
        home.tape.put(at + 0.3 + step, arp(1, who, (who.mac, bytes(4)), (bytes(6), who.ip)))
    for step in range(rng.randint(1, 3)):
        home.tape.put(at + 3 + 2 * step, arp(1, who, (who.mac, who.ip), (bytes(6), who.ip)))


def leases(home: Home, who: Host) -> None:
    """Let the server give out many addresses at once, each looked for before it is offered."""
    rng, at = home.rng, home.rng.uniform(0, home.seconds * 0.7)
    everyone, pace, pinging = (
        Host("all", BROADCAST, b"\xff" * 4),
        between(rng, 0.3, 12),
        rng.random() < 0.5,
    )
    server = home.lease_server
    for number in range(int(between(rng, 4, 60))):
        at += rng.expovariate(pace)
        client = home.stranger(f"client{number}") if number else who
        head = (
            b"\1\6\0" + rng.randbytes(4) + bytes(20) + client.mac + bytes(202) + rng.randbytes(60)
        )
        asking = datagram((68, 67), b"\1" + head)
        home.tape.put(at, ipv4(client, everyone, UDP, asking, as_ip=bytes(4)))
        if pinging:
            home.tape.put(
                at + 0.01, arp(1, server, (server.mac, server.ip), (bytes(6), client.ip))
            )
            home.tape.put(at + 0.02, ipv4(server, client, ICMP, echo(8, 0, number, bytes(32))))
        else:
            for again in range(rng.randint(1, 3)):
                home.tape.put(
                    at + again, arp(1, server, (server.mac, server.ip), (bytes(6), client.ip))
                )
        offer = datagram((67, 68), b"\2" + head)
        home.tape.put(at + rng.choice((0.03, 1.0)), ipv4(server, client, UDP, offer))


def advertising(home: Home, who: Host) -> None:
    """Tell by router advertisements of a network that is no way out, as border routers of Thread do."""
    rng = home.rng
    for at in home.times(between(rng, 4, 60), 0.3):
        home.tape.put(at, neighbour6(who, 134, bytes(4) + rng.randbytes(32)))


def neighbours(home: Home, who: Host) -> None:
    """Ask for the addresses of the machines it speaks to, now and then."""
    rng = home.rng
    peers = [
        home.router,
        *rng.sample(home.devices, min(len(home.devices), rng.choice((1, 1, 2, 12)))),
    ]
    straight = rng.random() < 0.4
    for at in home.times(between(rng, 4, 50), 0.4):
        for number, peer in enumerate(rng.sample(peers, rng.randint(1, len(peers)))):
            if peer.ip == who.ip:
                continue
            to_mac = peer.mac if straight else BROADCAST
            when = at + number * 0.02
            home.tape.put(when, arp(1, who, (who.mac, who.ip), (bytes(6), peer.ip), to_mac))
            home.tape.put(
                when + 0.001, arp(2, peer, (peer.mac, peer.ip), (who.mac, who.ip), who.mac)
            )


def gratuitous(home: Home, who: Host) -> None:
    """Tell everyone the own address over and over, as failover pairs and some cameras do."""
    rng = home.rng
    operation = rng.choice((1, 2))
    asked = who.mac if operation == 2 else bytes(6)
    for at in home.times(between(rng, 2, 40), 0.05):
        home.tape.put(at, arp(operation, who, (who.mac, who.ip), (asked, who.ip)))


def failover(home: Home, who: Host) -> None:
    """Share one address between two machines: whoever holds it says so and answers with it."""
    rng = home.rng
    other, ip = home.someone(who), home.stranger("shared").ip
    client, at, holders = home.someone(who, other), 0.0, [who, other]
    while at < home.seconds:
        end_s = at + rng.uniform(6, 40)
        holder = msgspec.structs.replace(holders[0], ip=ip)
        for step in range(rng.randint(1, 5)):
            operation = rng.choice((1, 2))
            home.tape.put(
                at + step * rng.uniform(0.05, 1),
                arp(operation, holder, (holder.mac, ip), (bytes(6), ip)),
            )
        when = at + 1
        while when < end_s:
            line = Connection(home.tape, when, client, holder, 80, rtt_s=home.lan_rtt_s)
            converse(line, [up(100), down(500)])
            when += rng.expovariate(0.7)
        holders.reverse()
        at = end_s
