"""BRIDGE-MIB of a Linux bridge, for snmpd's pass_persist: what the kernel says, and nothing else.

Started as: bridge_mib.py BRIDGE dot1d|dot1q
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

ROOT = (1, 3, 6, 1, 2, 1, 17)
INTERFACE = (*ROOT, 1, 4, 1, 2)
FORWARDING = {
    "dot1d": ((*ROOT, 4, 3, 1, 2), (*ROOT, 4, 3, 1, 3), ()),
    "dot1q": ((*ROOT, 7, 1, 2, 2, 1, 2), (*ROOT, 7, 1, 2, 2, 1, 3), (1,)),  # of filtering id 1
}
LEARNT, OWN = 3, 4

Row = tuple[tuple[int, ...], int]


def asked(*command: str) -> list[dict[str, Any]]:
    ran = subprocess.run(command, capture_output=True, check=True)
    return [each for each in json.loads(ran.stdout or "[]") if each]


def rows(bridge: str, kind: str) -> Iterator[Row]:
    links = asked("ip", "-j", "-d", "link", "show", "master", bridge)
    numbers = {
        link["ifname"]: int(link["linkinfo"]["info_slave_data"]["no"], 16) for link in links
    }
    for link in links:
        yield (*INTERFACE, numbers[link["ifname"]]), link["ifindex"]
    port_column, status_column, before = FORWARDING[kind]
    for entry in asked("bridge", "-j", "fdb", "show", "br", bridge):
        if entry.get("ifname") not in numbers or entry.get("master") != bridge:
            continue
        index = (*before, *(int(part, 16) for part in entry["mac"].split(":")))
        yield (*port_column, *index), numbers[entry["ifname"]]
        yield (*status_column, *index), OWN if entry.get("state") == "permanent" else LEARNT


def say(*lines: str) -> None:
    sys.stdout.write("\n".join((*lines, "")))
    sys.stdout.flush()


def main(bridge: str, kind: str) -> None:
    known: dict[tuple[int, ...], int] = {}
    while word := sys.stdin.readline().strip():
        if word == "PING":
            say("PONG")
            continue
        if word not in {"get", "getnext"}:
            sys.stdin.readline()
            sys.stdin.readline()
            say("not-writable")
            continue
        wanted = tuple(int(part) for part in sys.stdin.readline().strip().strip(".").split("."))
        # A walk goes on from a row that it was told, and begins at none: then the kernel is asked.
        if word == "get" or wanted not in known:
            known = dict(sorted(rows(bridge, kind)))
        fits = (name for name in known if (name == wanted if word == "get" else name > wanted))
        found = next(fits, None)
        if found is None:
            say("NONE")
        else:
            say("." + ".".join(map(str, found)), "integer", str(known[found]))


if __name__ == "__main__":
    main(*sys.argv[1:])
