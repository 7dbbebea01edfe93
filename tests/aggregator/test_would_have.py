"""What enforcing would have cost, as people judged since."""

from typing import Any

import msgspec
import pytest

from contract.messages import Isolation, IsolationState
from tests.aggregator.conftest import Centre
from tests.aggregator.messages import SECOND_NS, alert, isolation, now_ns

FIRST = 9300


def undone(number: int, state: IsolationState = "simulated", **changes: Any) -> Isolation:
    """An isolation of a quarter of an hour that was not done."""
    begun_ns = now_ns()
    told = isolation(FIRST + number, alert_id=f"{FIRST + number:032x}", state=state)
    return msgspec.structs.replace(
        told,
        isolated_ns=begun_ns,
        expires_ns=begun_ns + 900 * SECOND_NS,
        host_group="would-have",
        **changes,
    )


@pytest.fixture(scope="module", autouse=True)
def told(centre: Centre) -> None:
    """Four that enforcing would have cut off, one that it would have asked about, one that was cut."""
    centre.told(
        "would-have-pi",
        *(alert(FIRST + number, attack_type="DOS") for number in range(6)),
        *(undone(number) for number in range(3)),
        undone(3, "suggested"),
        undone(4, detail="would have asked: 12 hosts use its services"),
        undone(5, "verified"),
    )
    with centre.client("analyst") as client:
        for number, action in ((0, "false_positive"), (1, "resolve")):
            body = {"ids": [f"{FIRST + number:032x}"], "action": action}
            assert client.post("/alerts/bulk", json=body).status_code == 200


def test_what_enforcing_would_have_cost_is_told_with_what_people_judged_since(centre: Centre):
    with centre.client("viewer") as client:
        found = client.get("/analytics/would-have").json()
    (mine,) = (row for row in found["by_class_and_group"] if row["host_group"] == "would-have")
    assert mine == {
        "attack_type": "DOS",
        "host_group": "would-have",
        "cuts": 4,
        "judged_false": 1,
        "judged_right": 1,
        "minutes": 60.0,
        "minutes_judged_false": 15.0,
        "asked_or_spared": 1,
    }
    assert found["total"]["attack_type"] is None
    for name in ("cuts", "judged_false", "minutes"):
        assert found["total"][name] == sum(row[name] for row in found["by_class_and_group"])


def test_the_judgement_of_an_alert_stands_beside_the_isolation_that_was_not_done(centre: Centre):
    with centre.client("viewer") as client:
        rows = client.get("/ports/isolations?active_only=false&limit=1000").json()
    judged = {row["isolation_id"]: row["alert_status"] for row in rows}
    found = [judged[f"{FIRST + number:032x}"] for number in range(3)]
    assert found == ["false_positive", "resolved", "active"]
