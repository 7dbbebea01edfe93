"""What people read of a verdict."""

import pytest

from aggregator.samples import verdict_shape
from aggregator.store.verdicts import VerdictRow


@pytest.mark.parametrize(
    ("label", "scores", "unsure"),
    [
        ("benign", [0.3, 0.7], True),
        ("benign", [0.6, 0.4], False),
        ("Scan", [0.3, 0.7], False),
        ("Anomaly", [0.3, 0.7], False),
    ],
)
def test_a_benign_verdict_beside_a_likelier_attack_is_unsure(label, scores, unsure):
    row = VerdictRow(
        device_id="pi-1",
        window_start_ns=0,
        window_ns=1_000_000_000,
        host="02:00:00:00:00:42",
        src_mac=None,
        src_ip=None,
        dst_ip=None,
        label=label,
        confidence=0.5,
        scores=scores,
        classes=["benign", "Scan"],
        packets=1,
        wire_bytes=60,
        sampled_one_in=1,
        model_id="m-1",
    )
    assert verdict_shape(row).unsure is unsure
