"""Frames in, effects out: the whole detector with a small model, the same for any pieces."""

import functools
import random
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import AgentConfig, PolicyConfig, WindowConfig
from agent.effects import Effect, Isolate, Publish
from agent.explain import Explainer
from agent.model_bundle import DEFAULT_BUNDLE, Bundle, load_bundle
from agent.pipeline import PIECE_ROWS, REPORT_ROWS, TOLD_A_WINDOW, Outcome, Pipeline
from agent.records import FrameBatch
from agent.replay import build_pipeline
from agent.scoring import CHUNK_ROWS, OnnxScorer
from contract.attacks import CLASSES
from contract.codec import decode_envelope, encode
from contract.messages import Alert, Envelope, Isolation, VerdictBatch
from model_training.export import to_onnx, to_trees
from tests.agent.builders import (
    ANN,
    BOB,
    EVE,
    START_S,
    Box,
    batch,
    cut_at,
    every,
    flood,
    handshake,
    in_order_of_time,
    in_pieces,
    joined,
    ping,
    raw_batch,
    tcp,
    udp,
)
from tests.tiny_models import booster, metadata

SECOND = 1_000_000_000


@functools.cache
def easily_convinced() -> Bundle:
    """The small model, with thresholds that a third of the probability reaches."""
    said = metadata(thresholds=dict.fromkeys(CLASSES[1:], 0.25))
    return Bundle(to_onnx(booster(), said), to_trees(booster()), said)


def detector(*, max_hosts: int = 4096, seed: int = 0, **policy: Any) -> Pipeline:
    config = AgentConfig(policy=PolicyConfig(**policy), window=WindowConfig(max_hosts=max_hosts))
    return build_pipeline(config, easily_convinced(), seed, ("lan1",))


def run(pieces: Iterable[FrameBatch], pipeline: Pipeline | None = None) -> list[Outcome]:
    pipeline = pipeline or detector()
    return [*(pipeline.feed(piece) for piece in pieces), pipeline.flush()]


def effects(outcomes: list[Outcome]) -> list[Effect]:
    return [effect for outcome in outcomes for effect in outcome.effects]


def published(outcomes: list[Outcome], kind: type) -> list[Any]:
    messages = [e.message for e in effects(outcomes) if isinstance(e, Publish)]
    return [message for message in messages if isinstance(message, kind)]


def syn_flood(seconds: int = 5, rate: int = 1200) -> FrameBatch:
    count = seconds * rate
    ports = np.arange(count) % 60_000 + 1
    return flood(tcp(EVE, BOB, 1, 80, "S"), count, {(34, 2): ports}, at_s=3, seconds=seconds)


def household(seconds: int = 12) -> FrameBatch:
    quiet = []
    for at in range(seconds):
        quiet += every(
            0.05, [*handshake(ANN, BOB, 4000 + at), udp(BOB, ANN), ping(Box(20), ANN)], at
        )
    return batch(quiet)


ATTACK = in_order_of_time(joined(household(), syn_flood()))


def test_a_flood_opens_one_alert_of_its_class_on_its_host() -> None:
    alerts = published(run([ATTACK]), Alert)
    opened = [alert for alert in alerts if alert.state == "open"]
    assert {(a.attack_type, a.host, a.src_ip) for a in opened} == {("DOS", EVE.mac, EVE.ip)}
    assert opened[0].opened_ns == (START_S + 4) * SECOND  # one window of so many packets is enough
    assert opened[0].bridge_port == "lan1"


def test_an_alert_says_why() -> None:
    (alert, *_) = published(run([ATTACK]), Alert)
    assert 0 < len(alert.top_features) <= 5
    assert alert.top_features[0].feature.startswith("sent_syn")
    contributions = [reason.contribution for reason in alert.top_features]
    assert contributions == sorted(contributions, reverse=True)
    assert contributions[-1] > 0


def test_by_default_nobody_is_isolated() -> None:
    outcomes = run([ATTACK])
    assert not [effect for effect in effects(outcomes) if isinstance(effect, Isolate)]
    assert [i.state for i in published(outcomes, Isolation)] == ["simulated"]


def test_enforcing_isolates_the_attacker() -> None:
    (effect,) = [
        e for e in effects(run([ATTACK], detector(mode="enforce"))) if isinstance(e, Isolate)
    ]
    assert effect.isolation.isolated_mac == EVE.mac


def test_who_attacks_is_cut_off_before_the_alert_is_explained_and_told() -> None:
    pipeline = detector(mode="enforce")
    pipeline.take(ATTACK)
    kinds: list[list[type]] = []
    while pipeline.waiting or not kinds or Isolate in kinds[-1]:
        outcome = pipeline.judge_some()
        opened = [alert for alert in published([outcome], Alert) if alert.state == "open"]
        assert all(alert.top_features and alert.counterfactual for alert in opened)
        kinds.append(
            [Alert] * len(opened) + [type(e) for e in outcome.effects if type(e) is Isolate]
        )
    (at,) = [number for number, kind in enumerate(kinds) if Isolate in kind]
    assert kinds[at : at + 2] == [[Isolate], [Alert]]
    assert effects([pipeline.flush()])


@pytest.mark.parametrize("size", [50, 5000])
def test_the_policy_knows_how_many_hosts_there_are_however_frames_are_cut(size: int) -> None:
    pipeline = detector()
    run(in_pieces(household(100), size), pipeline)
    assert pipeline.policy.allowance.hosts_known == 3


def test_every_alert_is_closed_at_the_end() -> None:
    alerts = published(run([ATTACK]), Alert)
    assert {a.alert_id for a in alerts} == {a.alert_id for a in alerts if a.state == "closed"}


def told(outcomes: list[Outcome]) -> list[bytes]:
    """All effects, byte for byte."""
    return [msgspec.msgpack.encode([type(e).__name__, e]) for e in effects(outcomes)]


def judgements(outcomes: list[Outcome]) -> list[tuple[bytes, bytes, bytes]]:
    judged = [each for outcome in outcomes for each in outcome.judged]
    return [
        (
            b"".join(j.observations.features.tobytes() for j in judged),
            b"".join(j.scores.tobytes() for j in judged),
            b"".join(j.labels.tobytes() for j in judged),
        )
    ]


@pytest.mark.parametrize("size", [7, 500, 16_384])
def test_any_batch_size_gives_the_same_effects(size: int) -> None:
    whole, pieces = run([ATTACK]), run(in_pieces(ATTACK, size))
    assert told(pieces) == told(whole)
    assert judgements(pieces) == judgements(whole)


@pytest.mark.parametrize("seed", range(3))
def test_any_cuts_give_the_same_effects(seed: int) -> None:
    drawn = random.Random(seed)  # noqa: S311
    cuts = sorted(drawn.randrange(len(ATTACK) + 1) for _ in range(25))
    assert told(run(cut_at(ATTACK, cuts))) == told(run([ATTACK]))


def test_one_frame_at_a_time_gives_the_same_effects() -> None:
    some = next(iter(cut_at(ATTACK, [900])))
    assert told(run(in_pieces(some, 1))) == told(run([some]))


def test_a_secret_seed_changes_no_alert() -> None:
    plain = published(run([ATTACK]), Alert)
    secret = published(run([ATTACK], detector(seed=0x9E37_79B9_7F4A_7C15)), Alert)
    assert plain == secret


# --- reports


def reported(outcomes: list[Outcome]) -> list[VerdictBatch]:
    found: list[VerdictBatch] = published(outcomes, VerdictBatch)
    return found


def test_every_malicious_verdict_is_reported_once() -> None:
    outcomes = run([ATTACK])
    malicious = sum(
        int((j.labels != CLASSES.index("benign")).sum()) for o in outcomes for j in o.judged
    )
    labels = [label for b in reported(outcomes) for label in b.label]
    assert len([label for label in labels if label != "benign"]) == malicious > 0


def test_a_quiet_host_is_told_of_once_a_minute() -> None:
    frames = batch([(float(at), ping(ANN, BOB)) for at in range(180)])
    asked = {"Scan": {"least": 1e9, "features": ["sent_packets_1s"]}}  # nobody is suspected
    said = metadata(evidence=asked)
    sure = Bundle(to_onnx(booster(), said), to_trees(booster()), said)
    pipeline = build_pipeline(AgentConfig(), sure, 0)
    starts = [start for b in reported(run([frames], pipeline)) for start in b.window_start_ns]
    assert len(starts) == 3
    assert np.diff(starts).tolist() == [60 * SECOND] * 2


def test_a_host_of_which_the_model_is_unsure_is_told_of_every_ten_seconds() -> None:
    probes = [
        (at + port / 40, tcp(EVE, BOB, 50_000, 40 * at + port + 1, "S"))
        for at in range(45)
        for port in range(40)
    ]
    said = metadata(thresholds=dict.fromkeys(CLASSES[1:], 0.9999))  # which no score reaches
    unsure = Bundle(to_onnx(booster(), said), to_trees(booster()), said)
    outcomes = run([batch(probes)], build_pipeline(AgentConfig(), unsure, 0))
    reports = reported(outcomes)
    starts = [start for report in reports for start in report.window_start_ns]
    assert {label for report in reports for label in report.label} == {"benign"}
    assert set(np.diff(starts).tolist()) == {10 * SECOND}
    assert not published(outcomes, Alert)


def test_reports_leave_every_ten_seconds_of_the_data() -> None:
    pipeline, leaving = detector(), []
    crowd = [bytes(ping(Box(n), ANN)) for n in range(1, 61)]
    frames = batch([(float(second), frame) for second in range(45) for frame in crowd])
    for second, piece in enumerate(in_pieces(frames, len(crowd))):
        if published([pipeline.feed(piece)], VerdictBatch):
            leaving.append(second)
    assert len(leaving) >= 4
    assert set(np.diff(leaving)) == {10}


def test_a_report_fits_the_contract() -> None:
    outcomes = run([ATTACK])
    for number, effect in enumerate(effects(outcomes)):
        assert isinstance(effect, Publish)
        envelope = Envelope(boot="0" * 16, seq=number + 1, floor=1, message=effect.message)
        assert decode_envelope(encode(envelope)) == envelope


def test_the_columns_of_a_report_agree() -> None:
    for report in reported(run([ATTACK])):
        rows = len(report.label)
        assert len(report.host) == len(report.packets) == len(report.src_ip) == rows
        scores = np.frombuffer(report.scores, "<f4").reshape(rows, len(report.classes))
        assert scores.sum(axis=1) == pytest.approx(1.0, abs=1e-4)


def test_hosts_are_judged_a_few_at_a_time_with_the_same_effects() -> None:
    pipeline, outcomes = detector(), []
    for piece in in_pieces(ATTACK, 700):
        pipeline.take(piece)
        waiting = pipeline.waiting
        outcomes.append(pipeline.judge_some())
        assert pipeline.waiting >= waiting - CHUNK_ROWS
    outcomes.append(pipeline.flush())
    assert effects(outcomes) == effects(run([ATTACK]))


def sizes_judged(pipeline: Pipeline) -> list[int]:
    sizes = []
    while pipeline.waiting:
        (judged,) = pipeline.judge_some().judged
        sizes.append(len(judged))
    return sizes


def test_a_crowd_is_judged_in_pieces_of_bounded_size() -> None:
    count = 1300
    frames = flood(ping(EVE, BOB), count, {(6, 6): np.arange(count) + 0x0200_0000_1000})
    pipeline = detector()  # of a model without floors: it is asked about everybody
    pipeline.take(frames)
    pipeline.close_until((START_S + 9) * SECOND)
    sizes = sizes_judged(pipeline)
    assert (sum(sizes), max(sizes)) == (count, CHUNK_ROWS)
    assert pipeline.judge_some().judged == []


def test_of_a_crowd_that_shows_nothing_more_are_judged_at_a_time() -> None:
    count = PIECE_ROWS + 400
    own = {(6, 6): np.arange(count) + 0x0200_0000_1000, (26, 4): np.arange(count) + 0x0A00_0001}
    frames = flood(ping(EVE, BOB), count, own)
    pipeline = build_pipeline(
        AgentConfig(window=WindowConfig(max_hosts=count)),
        load_bundle(DEFAULT_BUNDLE),
        0,
        ("lan1",),
    )
    pipeline.take(frames)
    pipeline.close_until((START_S + 9) * SECOND)
    sizes = sizes_judged(pipeline)
    assert sizes == [PIECE_ROWS, 400]


def test_verdicts_carry_how_their_bridge_port_was_sampled() -> None:
    pipeline = detector()
    pipeline.take(ATTACK, sampled_one_in=(8,))
    reports = [e.message for e in pipeline.flush().effects if isinstance(e, Publish)]
    found = [r.sampled_one_in for r in reports if isinstance(r, VerdictBatch)]
    assert {value for column in found for value in column} == {8}
    assert not any(report.sampled_one_in for report in reported(run([ATTACK])))


def test_a_sample_ends_with_the_window_in_which_it_ended() -> None:
    pipeline = detector()
    halves = [household(2), household(2)]
    halves[1] = msgspec.structs.replace(halves[1], time_ns=halves[1].time_ns + 5 * SECOND)
    pipeline.take(halves[0], sampled_one_in=(4,))
    pipeline.take(halves[1], sampled_one_in=(1,))
    rates: dict[int, set[int]] = {}
    for judged in pipeline.flush().judged:
        seen = judged.observations
        second = int(seen.window_start_ns[0]) // SECOND - START_S
        rates.setdefault(second, set()).update(seen.sampled_one_in.tolist())
    assert rates == {0: {4}, 1: {4}, 5: {1}, 6: {1}}


def test_more_attackers_than_a_report_takes_are_counted() -> None:
    count = 650 * 900
    macs = np.arange(count) % 650 + 0x0200_0000_1000
    frames = flood(tcp(EVE, BOB, 1, 80, "S"), count, {(6, 6): macs})
    pipeline = detector()
    outcomes = run(in_pieces(frames, 16_384), pipeline)
    rows = [len(report.label) for report in reported(outcomes)]
    assert max(rows) <= TOLD_A_WINDOW < REPORT_ROWS
    assert sum(rows) + pipeline.dropped()["verdicts.untold"] >= 650


# --- bounds and rubbish


def test_everything_that_was_dropped_has_a_name_that_fits_the_contract() -> None:
    pipeline = detector()
    run([ATTACK], pipeline)
    assert all(0 < len(name) <= 64 and count >= 0 for name, count in pipeline.dropped().items())


@given(
    st.lists(
        st.tuples(st.binary(max_size=90), st.integers(0, 2**63 - 1) | st.integers(0, 3 * SECOND)),
        max_size=20,
    ),
    st.integers(1, 7),
)
@settings(max_examples=25)
def test_no_frames_can_break_the_pipeline(frames: list[tuple[bytes, int]], size: int) -> None:
    pipeline = detector(max_hosts=16, strikes=1, mode="enforce")
    whole = raw_batch([frame for frame, _ in frames], [at for _, at in frames])
    outcomes = run(in_pieces(whole, size), pipeline)
    judged = [each for outcome in outcomes for each in outcome.judged]
    packets = sum(int(each.observations.packets.sum()) for each in judged)
    assert packets + pipeline.observer.counters()["decode.short_frame"] == len(frames)
    for each in judged:
        assert np.isfinite(each.scores).all()
    for number, effect in enumerate(effects(outcomes)):
        assert isinstance(effect, Publish | Isolate)
        message = effect.message if isinstance(effect, Publish) else effect.isolation
        envelope = Envelope(boot="0" * 16, seq=number + 1, floor=1, message=message)
        assert decode_envelope(encode(envelope)) == envelope


def test_nothing_gives_nothing() -> None:
    outcomes = run([raw_batch([])])
    assert effects(outcomes) == []


def test_another_model_judges_whole_windows_and_each_report_names_the_one_that_judged() -> None:
    pipeline = detector()
    at = int(np.searchsorted(ATTACK.time_ns, (START_S + 6) * SECOND + SECOND // 2))
    first, rest = cut_at(ATTACK, [at])  # within a window
    pipeline.take(first)
    said = metadata(model_id="another", thresholds=dict.fromkeys(CLASSES[1:], 0.25))
    other = Bundle(to_onnx(booster(), said), to_trees(booster()), said)
    assert pipeline.waiting
    before = pipeline.adopt(OnnxScorer(other), Explainer(other), None)
    assert pipeline.waiting == 0
    after = run([rest], pipeline)
    windows = {
        name: [at for batch in published(outcomes, VerdictBatch) for at in batch.window_start_ns]
        for name, outcomes in (("tiny", [before]), ("another", after))
    }
    assert {b.model_id for b in published([before], VerdictBatch)} == {"tiny"}
    assert {b.model_id for b in published(after, VerdictBatch)} == {"another"}
    assert max(windows["tiny"]) < min(windows["another"])
    assert pipeline.policy.model_id == "another"  # of the next alert
    assert {a.model_id for a in published([before, *after], Alert)} == {"tiny"}  # opened before
