"""scapy: an AsyncSniffer that counts frames on an interface until SIGTERM.

Usage: python scapy_live.py INTERFACE
"""

import json
import signal
import sys
import threading

from scapy.all import AsyncSniffer


def main() -> None:
    stop, started = threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    counted = 0

    def count(_: object) -> None:
        nonlocal counted
        counted += 1

    sniffer = AsyncSniffer(iface=sys.argv[1], prn=count, store=False, started_callback=started.set)
    sniffer.start()
    started.wait()
    print(json.dumps({"event": "watching"}), file=sys.stderr, flush=True)
    stop.wait()
    sniffer.stop()
    print(json.dumps({"event": "stopped", "frames": counted, "dropped": {}}), file=sys.stderr)


if __name__ == "__main__":
    main()
