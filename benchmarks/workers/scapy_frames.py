"""scapy: sniff(offline=...) that dissects every layer, or RawPcapReader that dissects nothing.

Usage: python scapy_frames.py sniff|raw FILE
"""

import json
import sys

from scapy.all import RawPcapReader, conf, sniff


def sniffed(path: str) -> int:
    counted = 0

    def count(_: object) -> None:
        nonlocal counted
        counted += 1

    sniff(offline=path, prn=count, store=False)
    return counted


def raw(path: str) -> int:
    with RawPcapReader(path) as reader:
        return sum(1 for _ in reader)


def main() -> None:
    conf.verb = 0
    read = {"sniff": sniffed, "raw": raw}[sys.argv[1]]
    print(json.dumps({"packets": read(sys.argv[2])}))


if __name__ == "__main__":
    main()
