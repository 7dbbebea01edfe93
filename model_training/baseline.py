"""What fixed limits would say of the same windows: the yardstick that a model has to beat."""

from typing import Final

import numpy as np

from agent.records import F32
from contract.attacks import CLASSES, Label
from contract.features import FEATURE_NAMES

# Limits as people set them by hand: any one of a class's, within ten seconds.
LIMITS: Final[dict[Label, dict[str, float]]] = {
    "DOS": {"sent_packets_10s": 1000.0, "live_flows_10s": 200.0},
    "Scan": {
        "ports_of_one_host_10s": 30.0,
        "hosts_of_one_port_10s": 30.0,
        "arp_targets_10s": 30.0,
    },
    "BruteForce": {"login_syn_10s": 10.0, "login_refusals_10s": 10.0},
    "Botnet": {"telnet_syn_10s": 20.0},
    "MITM": {"conflicting_claims_10s": 2.0, "pushed_replies_10s": 5.0},
    "Replay": {"borrowed_payloads_10s": 3.0},
}


def limit_scores(features: F32) -> F32:
    """Return 1 for the class whose limit is exceeded most, else 1 for benign; (n, classes)."""
    excess = np.zeros((len(features), len(CLASSES)))
    for name, limits in LIMITS.items():
        for feature, limit in limits.items():
            column = features[:, FEATURE_NAMES.index(feature)] / limit
            at = CLASSES.index(name)
            excess[:, at] = np.maximum(excess[:, at], column)
    named = np.where(excess.max(axis=1) >= 1.0, excess.argmax(axis=1), 0)
    scores = np.zeros((len(features), len(CLASSES)), np.float32)
    scores[np.arange(len(features)), named] = 1.0
    return scores
