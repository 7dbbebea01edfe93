"""Kitsune's feature extraction, from the reader's own checkout; it reads the file by tshark or scapy.

Usage: python kitsune_features.py CHECKOUT FILE
"""

import json
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
setattr(np, "Inf", np.inf)  # noqa: B010  (numpy 2 took the name away, Kitsune still says it)

from FeatureExtractor import FE  # type: ignore[import-not-found]  # noqa: E402


def main() -> None:
    extractor = FE(sys.argv[2])
    packets = 0
    while len(extractor.get_next_vector()):
        packets += 1
    print(json.dumps({"packets": packets}))


if __name__ == "__main__":
    main()
