"""What is usual for a host is learned in calm, in bounded memory, and outlives the program."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.baselines import (
    KEEP_NS,
    LEARNS_EVERY,
    WARM,
    Baselines,
    read_baselines,
    write_baselines,
)
from agent.errors import BaselineError
from agent.records import Observations
from contract.features import FEATURE_COUNT
from tests.model_training.builders import observations

SECOND = 1_000_000_000
ALL_TURNS = LEARNS_EVERY  # in so many windows every host learns once


def window(second: int, hosts: list[int | str], features: np.ndarray) -> Observations:
    seen = observations([(second, host) for host in hosts])
    columns = {name: getattr(seen, name) for name in Observations.__struct_fields__}
    return Observations(**columns | {"features": features.astype(np.float32)})


def taught(
    baselines: Baselines, values: np.ndarray, *, host: int | str = 7, calm: bool = True
) -> Observations:
    """Let a host show some values of all features, one in each of its turns; return the last window."""
    for number, value in enumerate(values):
        for turn in range(ALL_TURNS):
            seen = window(number * ALL_TURNS + turn, [host], np.full((1, FEATURE_COUNT), value))
            baselines.learn(seen, np.array([calm]))
    return seen


def usual(baselines: Baselines, seen: Observations) -> float:
    found = baselines.usual(seen, 0)
    assert found is not None
    assert (found == found[0]).all()
    return float(found[0])


@pytest.mark.parametrize("scale", [0.1, 3.0, 2_000.0, 1e7])
@pytest.mark.parametrize("kind", ["uniform", "exponential", "lognormal"])
def test_one_value_of_twenty_lies_above_what_is_usual(scale: float, kind: str) -> None:
    drawn = getattr(np.random.default_rng(3), kind)(size=1500) * scale
    baselines = Baselines(0)
    seen = taught(baselines, drawn)
    share_above = float((drawn > usual(baselines, seen)).mean())
    assert 0.01 < share_above < 0.13


def test_a_host_that_always_does_the_same_usually_does_that() -> None:
    baselines = Baselines(0)
    assert usual(baselines, taught(baselines, np.full(100, 3.0))) == 3.0


def test_usual_values_follow_a_host_that_changes_its_ways() -> None:
    baselines = Baselines(0)
    seen = taught(baselines, np.concatenate([np.full(300, 2.0), np.full(300, 40.0)]))
    assert usual(baselines, seen) == pytest.approx(40.0)


def test_a_host_is_unknown_until_it_was_seen_for_a_while() -> None:
    baselines = Baselines(0)
    assert baselines.usual(taught(baselines, np.ones(WARM - 1)), 0) is None
    assert baselines.usual(taught(baselines, np.ones(1)), 0) is not None


def test_what_looks_like_an_attack_does_not_become_usual() -> None:
    baselines = Baselines(0)
    taught(baselines, np.ones(WARM))
    seen = taught(baselines, np.full(200, 5_000.0), calm=False)
    assert usual(baselines, seen) == 1.0


def test_hosts_are_kept_apart_by_mac_and_behind_a_router_by_address() -> None:
    baselines = Baselines(0)
    hosts: list[tuple[int | str, float]] = [
        (7, 1.0),
        (8, 2.0),
        ("192.168.1.9", 3.0),
        ("2001:db8::9", 4.0),
    ]
    seen = [taught(baselines, np.full(WARM, value), host=host) for host, value in hosts]
    assert [usual(baselines, each) for each in seen] == [1.0, 2.0, 3.0, 4.0]


def test_hosts_judged_together_have_no_usual_values() -> None:
    baselines = Baselines(0)
    assert baselines.usual(taught(baselines, np.ones(100), host=0), 0) is None
    assert baselines.table.used == 0


def test_a_host_that_was_away_for_a_month_begins_anew() -> None:
    baselines = Baselines(0)
    taught(baselines, np.ones(WARM))
    late = window(KEEP_NS // SECOND + 10_000, [7], np.ones((1, FEATURE_COUNT)))
    assert baselines.usual(late, 0) is None


@pytest.mark.parametrize("second", [0, 7_523_372_034])  # the latter is where int64 ends
def test_no_time_is_too_strange(second: int) -> None:
    baselines = Baselines(0)
    for turn in range(ALL_TURNS):
        seen = window(second - min(turn, second), [7], np.ones((1, FEATURE_COUNT)))
        baselines.learn(seen, np.array([True]))
        assert baselines.usual(seen, 0) is None
    Baselines(1).from_bytes(baselines.to_bytes())


def test_a_flood_of_invented_hosts_does_not_push_out_a_known_one() -> None:
    baselines = Baselines(0, capacity=64)
    taught(baselines, np.ones(WARM))
    at = WARM * ALL_TURNS
    for second in range(at, at + 20):
        crowd: list[int | str] = list(range(1000 + 500 * second, 1500 + 500 * second))
        baselines.learn(
            window(second, crowd, np.ones((500, FEATURE_COUNT))), np.ones(500, np.bool_)
        )
    assert baselines.table.used <= 64
    assert baselines.table.evicted + baselines.table.refused > 0
    assert baselines.usual(window(at + 20, [7], np.ones((1, FEATURE_COUNT))), 0) is not None


def test_what_was_learned_outlives_the_program_whatever_the_seed(tmp_path: Path) -> None:
    path, before = tmp_path / "baselines.npz", Baselines(1)
    seen = taught(before, np.arange(50, dtype=np.float64))
    write_baselines(path, before.to_bytes())
    assert path.stat().st_mode & 0o777 == 0o600
    after = Baselines(2)
    read_baselines(path, after)
    assert usual(after, seen) == usual(before, seen)
    assert [each.name for each in tmp_path.iterdir()] == ["baselines.npz"]


def test_without_a_file_everything_begins_anew(tmp_path: Path) -> None:
    baselines = Baselines(1)
    read_baselines(tmp_path / "none.npz", baselines)
    assert baselines.table.used == 0


@given(st.binary(max_size=300), st.integers(0, 2000))
def test_a_damaged_file_is_refused_and_changes_nothing(garbage: bytes, at: int) -> None:
    known = Baselines(1)
    taught(known, np.ones(2))
    whole = known.to_bytes()
    for damaged in (garbage, whole[:at] if at < len(whole) else b"", garbage + whole[:-1]):
        baselines = Baselines(1)
        with pytest.raises(BaselineError):
            baselines.from_bytes(damaged)
        assert baselines.table.used == 0


def test_baselines_of_other_features_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    baselines = Baselines(1)
    taught(baselines, np.ones(2))
    write_baselines(tmp_path / "b.npz", baselines.to_bytes())
    monkeypatch.setattr("agent.baselines.feature_schema_id", lambda: "another")
    with pytest.raises(BaselineError, match=r"b\.npz: baselines of feature schema"):
        read_baselines(tmp_path / "b.npz", Baselines(1))


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BaselineError, match="file"):
        write_baselines(tmp_path / "file" / "b.npz", b"")
