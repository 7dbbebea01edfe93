"""nfstream: flows with statistics, one meter; every flow is taken over by us.

Usage: python nfstream_flows.py FILE
"""

import json
import sys

from nfstream import NFStreamer


def main() -> None:
    streamer = NFStreamer(source=sys.argv[1], statistical_analysis=True, n_meters=1)
    packets = flows = 0
    for flow in streamer:
        packets += flow.bidirectional_packets
        flows += 1
    print(json.dumps({"packets": packets, "rows": flows}))


if __name__ == "__main__":
    main()
