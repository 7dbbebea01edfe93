"""What could not be taken can be read: why, and the head of it, by who may look after devices."""

from base64 import b64decode

import msgspec
import pytest

from aggregator.api.rejects import _shape
from aggregator.store.database import Database
from aggregator.store.gaps import find_gaps
from aggregator.store.rejects import (
    KEPT_BYTES,
    KEPT_TOPIC,
    Reject,
    RejectFilter,
    RejectRow,
    count_rejects,
    find_rejects,
    save_rejects,
)
from tests.aggregator.conftest import Centre
from tests.aggregator.messages import alert, envelope, topic
from tests.aggregator.taking import arrival, ingest, take

PATH = "/rejects?device_id=nan-pi"


def reject(
    device_id: str | None = "pi", organization: str | None = "default", payload: bytes = b"x"
) -> Reject:
    return Reject(organization, device_id, "some/topic", "because", payload, 1)


async def told(
    database: Database, organization: str, *, device_id: str | None = None, of_nobody: bool = False
) -> list[str | None]:
    wanted = RejectFilter(device_id=device_id, of_nobody=of_nobody)
    found = await find_rejects(database, organization, wanted, limit=10, skip=0)
    assert await count_rejects(database, organization, wanted) == len(found)
    return [row.device_id for row in found]


async def test_an_alert_with_a_number_that_is_none_can_be_looked_at(centre: Centre):
    broken = msgspec.structs.replace(alert(7900), confidence=float("nan"))
    async with centre.device("nan-pi") as device:
        await device.tell(alert(7901))
        await device.tell(broken)
    payload = envelope(broken, 2)
    with centre.client("operator") as client:
        answer = client.get(PATH)
        (shown,) = answer.json()
        gaps = {gap["device_id"]: gap for gap in client.get("/gaps?limit=1000").json()}
        metrics = client.get(f"{centre.url}/metrics").text
        assert client.get(f"{PATH}&skip=1").json() == []
        assert client.get("/rejects?device_id=somebody-else").json() == []
        assert client.get("/rejects?limit=0").status_code == 400
    assert answer.headers["x-total-count"] == "1"
    assert (shown["device_id"], shown["topic"]) == ("nan-pi", topic(broken, "nan-pi"))
    assert "confidence" in shown["reason"]
    assert shown["received_at"].endswith("Z")
    assert (shown["payload_bytes"], shown["encoding"]) == (len(payload), "base64")
    assert b64decode(shown["payload"]) == payload[:KEPT_BYTES]
    assert gaps["nan-pi"]["refused"] == 1
    assert gaps["nan-pi"]["words"] == "nan-pi: 0 lost, 0 queued, 1 refused"
    assert 'edgewarden_device_refused_messages{device="nan-pi"} 1' in metrics
    with centre.client("stranger") as client:
        assert "nan-pi" not in client.get("/rejects").text
    with centre.client("analyst") as client:
        assert client.get(PATH).status_code == 403


async def test_what_is_nobodys_is_shown_with_nobodys_alone(database: Database):
    mine, theirs, nobodys = reject(), reject("pi-2", "elsewhere"), reject(None, None)
    await database.write(*save_rejects([mine, theirs, nobodys]))
    assert await told(database, "default") == ["pi"]
    assert await told(database, "elsewhere") == ["pi-2"]
    assert await told(database, "default", of_nobody=True) == [None, "pi"]
    assert await told(database, "default", device_id="pi-2", of_nobody=True) == []


async def test_a_topic_without_an_organization_is_for_who_runs_the_installation(centre: Centre):
    async with centre.device("nobody-pi") as device:
        await device.client.publish("edgewarden/v1/BAD NAME/x/alerts", b"x", qos=1)
        await device.tell(alert(7902))
    seen = {}
    for username in ("operator", "admin", "stranger"):
        with centre.client(username) as client:
            seen[username] = "BAD NAME" in client.get("/rejects?limit=1000").text
    assert seen == {"operator": False, "admin": True, "stranger": False}


async def test_gaps_count_what_was_refused_of_each_device(database: Database):
    taker = ingest(database)
    await take(taker, [arrival(alert(1), 1)])
    await database.write(*save_rejects([reject("edge-1"), reject("edge-1"), reject("pi")]))
    await database.write(*save_rejects([reject("edge-1", "elsewhere")]))
    (gap,) = await find_gaps(database, "default", limit=10)
    assert (gap.device_id, gap.refused) == ("edge-1", 2)


async def test_a_topic_takes_only_so_much_room(database: Database):
    long = msgspec.structs.replace(reject(), topic="t" * 60_000)
    await database.write(*save_rejects([long]))
    (row,) = await find_rejects(database, "default", RejectFilter(), limit=1, skip=0)
    assert len(row.topic) == KEPT_TOPIC


@pytest.mark.parametrize(
    ("payload", "whole", "encoding", "text"),
    [
        (b'{"a": 1}\n', True, "text", '{"a": 1}\n'),
        ("wärme".encode(), True, "text", "wärme"),
        ("wä".encode()[:2], False, "text", "w"),  # cut in the middle of a character
        ("wä".encode()[:2], True, "base64", "d8M="),
        (b"\x1b[2J", True, "base64", "G1sySg=="),  # a terminal would obey
        (b"", True, "text", ""),
    ],
)
def test_a_payload_is_shown_as_text_where_a_person_can_read_it(
    payload: bytes, *, whole: bool, encoding: str, text: str
):
    row = RejectRow("pi", "t", "r", payload, len(payload) + (not whole), 1)
    shown = _shape(row)
    assert (shown.encoding, shown.payload) == (encoding, text)
