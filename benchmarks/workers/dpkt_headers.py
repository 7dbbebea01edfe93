"""dpkt: a loop over frames with decoded headers, and bytes counted by address pair.

Usage: python dpkt_headers.py FILE
"""

import json
import sys
from collections import Counter
from pathlib import Path

import dpkt


def main() -> None:
    packets = 0
    sent: Counter[tuple[bytes, bytes]] = Counter()
    with Path(sys.argv[1]).open("rb") as file:
        for _, frame in dpkt.pcap.Reader(file):
            packets += 1
            inner = dpkt.ethernet.Ethernet(frame).data
            if isinstance(inner, dpkt.ip.IP | dpkt.ip6.IP6):
                sent[inner.src, inner.dst] += len(frame)
    print(json.dumps({"packets": packets, "rows": len(sent)}))


if __name__ == "__main__":
    main()
