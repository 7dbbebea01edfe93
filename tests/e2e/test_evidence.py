"""From the frames in an agent's memory to a pcap in an analyst's hand, over a real broker."""

import hashlib
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from scapy.layers.l2 import Ether
from scapy.utils import PcapReader

from tests.aggregator.conftest import Centre
from tests.e2e.box import playing, settings

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[httpx.Client]:
    """Run a centre and an agent that plays the demo; yields an admin."""
    centre = Centre(tmp_path)
    centre.start()
    try:
        with playing(settings(centre, tmp_path, "evidence-pi"), 4), centre.client() as client:
            yield client
    finally:
        assert centre.stop() == 0


def until(client: httpx.Client, path: str, code: int) -> httpx.Response:
    deadline = time.monotonic() + 20
    while (answer := client.get(path)).status_code != code:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    return answer


def first_alert(client: httpx.Client) -> dict[str, Any]:
    deadline = time.monotonic() + 40
    while not (found := client.get("/alerts").json()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return dict(client.get(f"/alerts/{found[-1]['alert_id']}").json())


def test_the_frames_behind_an_alert_are_those_of_the_attacker(api: httpx.Client) -> None:
    alert = first_alert(api)
    path = f"/alerts/{alert['alert_id']}/pcap"
    assert api.get(path).status_code == httpx.codes.ACCEPTED
    data = until(api, path, httpx.codes.OK).content
    assert hashlib.sha256(data).hexdigest() == alert["evidence_sha256"]
    with PcapReader(io.BytesIO(data)) as reader:
        ends = [{packet[Ether].src, packet[Ether].dst} for packet in reader]
    assert len(ends) > 10
    assert all(alert["src_mac"] in both for both in ends)
