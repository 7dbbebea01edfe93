"""Drift: an alert when what should be cut off is not, once, and over when it holds again."""

import msgspec

from agent.isolation.drift import HELD_NS, MOST_NAMED, Drift
from contract.codec import encode
from contract.cuts import Part
from contract.messages import Envelope, Isolation
from tests.agent.messages import NOW_NS, isolation

SECOND_NS = 1_000_000_000


def slipped(number: int = 1, **changes: object) -> Isolation:
    mac = f"02:00:00:00:00:{number:02x}"
    return msgspec.structs.replace(
        isolation(number), **{"host": mac, "isolated_mac": mac} | changes
    )


def at(seconds: float) -> int:
    return NOW_NS + int(seconds * SECOND_NS)


def test_a_drift_opens_an_alert_that_names_who_is_loose_and_closes_when_all_has_held():
    drift = Drift("nft", lambda: "model-1")
    assert drift.note([], at(0)) == []
    (opened,) = drift.note([slipped(1), slipped(2)], at(1))
    assert (opened.state, opened.attack_type, opened.severity) == ("open", "Anomaly", "high")
    assert (opened.host, opened.src_mac) == ("02:00:00:00:00:01", "02:00:00:00:00:01")
    assert [feature.words for feature in opened.top_features] == [
        "02:00:00:00:00:01 should be cut off, and nft did not hold it",
        "02:00:00:00:00:02 should be cut off, and nft did not hold it",
    ]
    assert drift.note([], at(2)) == []
    (closed,) = drift.note([], at(1) + HELD_NS)
    assert (closed.state, closed.alert_id) == ("closed", opened.alert_id)
    assert drift.note([], at(30)) == []


def test_who_takes_rules_away_again_and_again_makes_one_alert():
    drift = Drift("nft", lambda: "model-1")
    told = [alert for second in range(25) for alert in drift.note([slipped()], at(second))]
    assert [(alert.state, alert.windows) for alert in told] == [
        ("open", 1),
        ("open", 11),
        ("open", 21),
    ]
    assert len({alert.alert_id for alert in told}) == 1
    (closed,) = drift.end()
    assert (closed.state, closed.windows) == ("closed", 25)
    assert drift.end() == []


def test_the_next_drift_is_another_alert():
    drift = Drift("nft", lambda: "model-1")
    (first,) = drift.note([slipped()], at(0))
    drift.note([], at(20))
    (second,) = drift.note([slipped()], at(30))
    assert first.alert_id != second.alert_id


def test_an_alert_names_the_model_that_judges_when_it_opens():
    installed = ["model-1"]
    drift = Drift("nft", lambda: installed[-1])
    installed.append("model-2")
    (opened,) = drift.note([slipped()], at(0))
    installed.append("model-3")
    (closed,) = drift.end()
    assert [opened.model_id, closed.model_id] == ["model-2", "model-2"]


def test_where_it_cannot_be_told_what_holds_nothing_is_said_to_be_repaired():
    drift = Drift("nft", lambda: "model-1")
    drift.note([slipped()], at(0))
    assert drift.note(None, at(60)) == []
    assert len(drift.note([], at(61))) == 1


def test_a_drift_of_very_many_fits_the_wire():
    drift = Drift("nft", lambda: "model-1")
    (alert,) = drift.note([slipped(number % 256) for number in range(1, 1000)], at(0))
    (alert,) = drift.note([slipped(7, isolation_id="f" * 32)], at(20))
    assert len(alert.top_features) == MOST_NAMED
    assert encode(Envelope(boot="0" * 16, seq=1, floor=1, message=alert))


def test_parts_and_bridge_ports_are_named_as_such():
    drift = Drift("nft", lambda: "model-1")
    port = slipped(2, host="00:00:00:00:00:00", isolated_mac=None, isolated_port="lan2")
    (alert,) = drift.note([slipped(1, part=Part(kind="rate")), port], at(0))
    words = [feature.words.split(" should")[0] for feature in alert.top_features]
    assert words == ["the rate of 02:00:00:00:00:01", "bridge port lan2"]
