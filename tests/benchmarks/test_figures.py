"""From runs to tables: medians, what starting costs, ratios, goals, and the page they go to."""

from pathlib import Path

import msgspec
import pytest

from benchmarks import plot, report
from benchmarks.captures import Capture
from benchmarks.centre import Centre, Cost, Run
from benchmarks.comparison import Comparison, Measured
from benchmarks.delays import Delays, delays
from benchmarks.goals import goals
from benchmarks.live import Step, confirmed
from benchmarks.measure import Usage
from benchmarks.ourselves import Flood, Growth, Stages
from benchmarks.results import Results, updated
from benchmarks.tables import comparison_table, figure, notes, ratio, table
from benchmarks.workers.centre_load import Told
from benchmarks.workers.centre_watch import Watched

MEBIBYTE = 1024 * 1024
CAPTURE = Capture("mixed", "mixed.pcap", 1_000_000, 60.0, 10**8, 50)


def measured(name: str, *cpu_s: float, start_s: float = 0.0, **more: object) -> Measured:
    usages = [Usage(2 * each, each, 50 * MEBIBYTE) for each in cpu_s]
    empty = [Usage(start_s, start_s, MEBIBYTE)]
    return Measured(name, "", "1.0", 1_000_000, usages=usages, empty=empty, **more)  # type: ignore[arg-type]


def results() -> Results:
    both = [measured("edgewarden", 1.0, start_s=0.2), measured("nfstream", 12.4, start_s=0.4)]
    grown = [Growth(10**n, 10, 1.0, 1.0 + n / 10, 5, 1e8) for n in (4, 5, 6)]
    flood = Flood("syn_flood", 10, 1.0, 180e6, 60e6, None, None, 0, {})
    return Results(
        machine={"processor": "a processor"},
        comparisons={"mixed": Comparison(CAPTURE, 1, both, [])},
        stages=[Stages("mixed", 100, 1.0, {"decode": 300.0, "scoring": 100.0})],
        growth=grown,
        growth_hosts=grown,
        floods=[flood],
    )


def test_what_any_capture_costs_is_told_apart_from_what_a_packet_does():
    grown = Growth(10_000, 10, 1.0, 0.8, 5, 1e8, fixed_s=0.004)
    assert grown.gross_us == pytest.approx(1.2)
    found = results()
    found.growth = [grown]
    page = report.text(found)
    assert "0.8 |" in page
    assert "1.2 |" in page
    assert "4 ms" in page


def test_what_is_told_of_the_aggregator_has_a_goal_each():
    told = Told(1000, 1000, 300_000, 5.0, delays([0.1, 0.2, 0.9]))
    watched = Watched(100_000, 1.0, delays([0.25]), 3)
    run = Run(told, Cost(0.5, 300 * MEBIBYTE, 1.5), {"overview": delays([0.06])}, watched)
    centre = Centre(run, run, run, run, 3.0, 90_000_000, 0.5, 120.0, 40.0)
    shown = report.text(Results(centre=centre))
    assert "## The aggregator" in shown
    assert "50,847" in shown  # until the last receipt
    met = {goal.what: goal.is_met for goal in goals(Results(centre=centre))}
    assert [what for what, is_met in met.items() if not is_met] == ["overview at that, p99"]


def test_delays_of_nothing_are_nothing():
    assert delays([]) == Delays()
    assert delays([0.001] * 99 + [0.1]).p50_ms == pytest.approx(1.0)


def test_a_cost_is_the_median_and_the_net_one_is_without_starting():
    one = measured("any", 3.0, 9.0, 2.0, start_s=1.0)
    assert one.gross_us == pytest.approx(3.0)
    assert one.net_us == pytest.approx(2.0)
    assert one.packets_per_s == pytest.approx(1_000_000 / 6.0)


def test_a_cost_below_that_of_starting_is_nothing_and_not_negative():
    assert measured("any", 0.9, start_s=1.0).net_us == 0.0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.1234, "0.123"), (1.0, "1"), (12.34, "12.3"), (123.4, "123"), (4567, "4,567")],
)
def test_figures_have_three_digits_that_count(value: float, text: str):
    assert figure(value) == text


def test_a_ratio_says_how_many_times_our_cost_theirs_is():
    assert ratio(12.0, 0.8) == "15x"
    assert ratio(0.4, 0.8) == "0.5x"
    assert ratio(1.0, 0.0) == "-"


def test_tables_have_rows_of_equal_width():
    lines = table(["name", "n"], [["a", "1"], ["longer", "1,000"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1] == "| ------ | ----: |"


def test_a_comparison_shows_everybody_beside_ours():
    compared = results().comparisons["mixed"]
    rows = comparison_table(compared).splitlines()
    assert "nfstream 1.0" in rows[3]
    assert rows[3].endswith("15x |")
    assert rows[2].endswith("1x |")


def test_who_failed_was_absent_or_saw_too_little_is_told():
    failed = Measured("tshark", "", "4", 10, failed="it ended with 1")
    blind = measured("nfstream", 1.0, seen=970_000)
    compared = Comparison(CAPTURE, 1, [failed, blind], ["suricata is not there"])
    assert notes(compared) == [
        "suricata is not there",
        "tshark failed: it ended with 1",
        "nfstream took in 970,000 of 1,000,000 packets",
    ]


def test_goals_hold_what_was_measured_against_what_was_asked():
    found = {goal.what: goal for goal in goals(results())}
    assert found["CPU a packet of nfstream to ours"].is_met
    assert found["dearest to cheapest, 10^4 to 10^6 packets"].reached is not None
    assert found["memory above quiet, syn_flood"].is_met
    assert not found["named, syn_flood"].is_met  # it never was


def step(watcher: str, sent: int, seen: int, **dropped: int) -> Step:
    return Step(watcher, "mixed", sent, sent, sent, seen, dropped, 1.0, 10**8)


def test_a_live_rate_counts_only_if_a_last_step_confirms_it():
    held = [step("us", 900, 800), step("us", 500, 500), step("us", 500, 500)]
    assert confirmed(held, "us") == held[-1]
    assert confirmed([*held, step("us", 500, 499)], "us") is None
    assert confirmed(held, "them") is None
    assert not step("us", 500, 500, sampled_out_x=1).is_whole


def test_a_run_of_some_parts_leaves_the_others_as_they_were():
    old = results()
    stages = [Stages("mixed", 1, 1.0, {"decode": 1.0})]
    new = Results(stages=stages, untold=["live: no root"], measured={"stages": "today"})
    both = updated(old, new)
    assert both.stages == stages
    assert both.growth == old.growth
    assert both.comparisons == old.comparisons
    assert both.untold == ["live: no root"]


def test_results_survive_being_kept():
    kept = msgspec.json.encode(results())
    assert msgspec.json.decode(kept, type=Results) == results()


def test_the_page_is_rewritten_between_its_markers_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    page = tmp_path / "performance.md"
    page.write_text("above\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nbelow\n")
    monkeypatch.setattr(report, "PAGE", page)
    report.write_page(results())
    once = page.read_text()
    report.write_page(results())
    assert page.read_text() == once
    assert once.startswith("above\n")
    assert once.endswith("below\n")
    assert "old" not in once
    assert "nfstream" in once


def test_the_page_of_the_repository_has_the_markers_and_shows_the_picture():
    text = report.PAGE.read_text()
    assert text.index("<!-- measured: begin -->") < text.index("<!-- measured: end -->")
    assert f"](images/{plot.PICTURE.name})" in text
    assert plot.PICTURE.exists()


def test_the_picture_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plot, "PICTURE", tmp_path / "picture.png")
    plot.draw(results())
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
