"""The detection report: scene by scene, by models that had seen nothing of the origin."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from contract.attacks import CLASSES
from model_training import report_text as text
from model_training.calibration import Calibration
from model_training.drawings import Line, drawing
from model_training.evaluate import (
    LATE_S,
    SOON_S,
    Accused,
    Bought,
    Evaluation,
    Judgement,
    Sighting,
    is_own,
)
from model_training.novelty import SecondOpinion
from model_training.peers import Peers

REPORT: Final = "detection.md"
IMAGES: Final = "images"
_FEW: Final = 5  # attackers of a class, below which a share says little
_HOURS_A_DAY: Final = 24


def write_report(evaluation: Evaluation, folder: Path) -> Path:
    """Write the report and its drawings; return where it stands."""
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    (folder / IMAGES / "detection-delay.svg").write_text(_delays(evaluation.held_out))
    (folder / IMAGES / "detection-reliability.svg").write_text(_reliability(evaluation.held_out))
    path = folder / REPORT
    path.write_text("\n".join([*_text(evaluation), ""]))
    return path


def _text(evaluation: Evaluation) -> Iterator[str]:
    judged = evaluation.held_out
    yield from ("# How well it detects on networks it has never seen", "", text.HOW)
    yield from ("## In short", "", *_summary(judged, evaluation.baseline), "")
    yield "Fixed limits are those of `model_training/baseline.py`, judged by the same rules."
    yield from ("", text.LOUD, *_by_loudness(judged), "")
    yield from ("", "![Attackers found, by seconds](images/detection-delay.svg)", "")
    yield from ("## By origin and class", "", *_by_origin(judged), "")
    if evaluation.tools:
        yield from ("## By tool", "", text.TOOLS, *_by_tool(evaluation.tools, judged), "")
    if evaluation.ablation:
        yield from ("## What each family of features buys", "", text.FAMILIES)
        yield from (*_ablation(evaluation.ablation), "")
    yield from ("## False alerts", "", *_accused(judged, evaluation.baseline), "")
    if evaluation.second_opinion:
        yield from ("## What no class explains", "", text.NOVELTY)
        yield from (*_second_opinion(evaluation.second_opinion), "")
    if evaluation.peers:
        yield from ("## Beside Kitsune", "", text.KITSUNE, *_peers(evaluation.peers), "")
    yield from ("## What was taken for what", "", "Windows, over all origins held out.", "")
    yield from (*_confusion(judged), "")
    yield from ("## What a score is worth", "")
    yield "Of windows whose likeliest attack scored alike, how many it was right about. Half of all"
    yield "training weight is attack and a home is not, so that low scores promise too much."
    yield from ("", "![Reliability](images/detection-reliability.svg)", "")
    if evaluation.calibration:
        yield from (text.CALIBRATION, *_calibration(evaluation.calibration), "")
    yield text.MISSING
    yield from ("## Scene by scene", "", "Foreign origins:", "", *_scenes(judged, own=False), "")
    yield from ("Own origins, where something was missed or late:", "", *_scenes(judged, own=True))


def _summary(judged: Judgement, baseline: Judgement) -> Iterator[str]:
    columns = (
        "Class", "Attackers", "Found", f"in {SOON_S:.0f} s", f"in {LATE_S:.0f} s", "Fixed limits",
    )  # fmt: skip
    for own, title in ((False, "Foreign origins"), (True, "Own origins")):
        rows = []
        for label in CLASSES[1:]:
            mine = [one for one in judged.sightings if _is(one, own, label)]
            theirs = [one for one in baseline.sightings if _is(one, own, label)]
            if mine:
                few = " (too few to say)" if len(mine) < _FEW else ""
                limits = f"{_within(theirs, math.inf)} of {len(theirs)}"
                waits = [str(_within(mine, most)) for most in (math.inf, SOON_S, LATE_S)]
                rows.append([f"{label}{few}", str(len(mine)), *waits, limits])
        yield from (f"{title}:", "", *_table(columns, rows), "")


def _by_loudness(judged: Judgement) -> Iterator[str]:
    columns = (
        "Origins", "Class", "Loud attackers", f"in {SOON_S:.0f} s", "Slow attackers",
        f"in {LATE_S:.0f} s",
    )  # fmt: skip
    rows = []
    for own, origins in ((False, "foreign"), (True, "own")):
        theirs = [one for one in judged.sightings if is_own(one.origin) == own]
        for label in (*CLASSES[1:], "all"):
            mine = [one for one in theirs if label in {one.label, "all"}]
            loud, slow = ([one for one in mine if _is_loud(one) == way] for way in (True, False))
            shares = _share(loud, SOON_S), _share(slow, LATE_S)
            rows.append([origins, label, str(len(loud)), shares[0], str(len(slow)), shares[1]])
    yield from _table(columns, rows)


def _is_loud(one: Sighting) -> bool:
    return one.label == "MITM" or one.loudest >= text.LOUD_PACKETS


def _share(sightings: Sequence[Sighting], most_s: float) -> str:
    found = _within(sightings, most_s)
    return f"{found} ({found / len(sightings):.0%})" if sightings else ""


def _is(one: Sighting, own: bool, label: str) -> bool:  # noqa: FBT001
    return is_own(one.origin) == own and one.label == label


def _within(sightings: Iterable[Sighting], most_s: float) -> int:
    return sum(one.seconds is not None and one.seconds <= most_s for one in sightings)


def _by_origin(judged: Judgement) -> Iterator[str]:
    columns = (
        "Origin", "Class", "Attackers", "Found", f"in {SOON_S:.0f} s", f"in {LATE_S:.0f} s", "Median",
        "Windows named right",
    )  # fmt: skip
    yield from _table(
        columns,
        (
            [
                one.origin,
                one.label,
                str(one.attackers),
                str(one.attackers_found),
                str(one.within_5_s),
                str(one.within_120_s),
                "" if one.seconds_to_alert is None else f"{one.seconds_to_alert:.0f} s",
                f"{one.windows_found / one.windows:.0%} of {one.windows}",
            ]
            for one in judged.found
        ),
    )


def _by_tool(judged: Judgement, by_origin: Judgement) -> Iterator[str]:
    columns = (
        "Class", "Tool", "Attackers", "Found", f"in {SOON_S:.0f} s", f"in {LATE_S:.0f} s",
        "Windows named right", "By origin",
    )  # fmt: skip
    used = {(CLASSES.index(one.label), one.tool) for one in judged.sightings}
    rows = []
    for label, tool in sorted(used):
        mine = _with_tool(judged, CLASSES[label], tool)
        right, windows = sum(one.windows_found for one in mine), sum(one.windows for one in mine)
        waits = [str(_within(mine, most)) for most in (math.inf, SOON_S, LATE_S)]
        seen = _within(_with_tool(by_origin, CLASSES[label], tool), math.inf)
        share = f"{right / windows:.0%} of {windows}"
        rows.append([CLASSES[label], tool, str(len(mine)), *waits, share, str(seen)])
    yield from _table(columns, rows)


def _with_tool(judged: Judgement, label: str, tool: str) -> list[Sighting]:
    return [one for one in judged.sightings if (one.label, one.tool) == (label, tool)]


def _ablation(bought: Sequence[Bought]) -> Iterator[str]:
    columns = ("Without", "Features", *CLASSES[1:], "Foreign attackers", "False alerts")
    yield from _table(
        columns,
        (
            [
                one.without or "nothing",
                str(one.features),
                *(str(one.found.get(label, "")) for label in CLASSES[1:]),
                f"{one.foreign_found} of {one.foreign_attackers}",
                str(one.false_alerts),
            ]
            for one in bought
        ),
    )


def _calibration(measured: Sequence[Calibration]) -> Iterator[str]:
    rows = (
        [one.origin or "all", str(one.windows), f"{one.as_scored:.3f}", f"{one.mapped:.3f}"]
        for one in measured
    )
    yield from _table(("Origin", "Windows", "As scored", "Mapped"), rows)


def _second_opinion(said: SecondOpinion) -> Iterator[str]:
    yield from _table(
        ("Class", "Attackers", "known before", "of these missed", "of these found"),
        (
            [one.label, *map(str, (one.attackers, one.known, one.missed, one.found))]
            for one in said.unknown
        ),
    )
    yield ""
    disturbed = sorted(said.disturbed, key=lambda one: is_own(one.origin))
    rows = [
        [
            one.origin,
            str(one.hosts_known),
            f"{one.host_hours / _HOURS_A_DAY:.2f}",
            f"{one.threshold:.3f}",
            str(one.false_alerts),
        ]
        for one in disturbed
    ]
    known = sum(one.hosts_known for one in disturbed)
    days = sum(one.host_hours for one in disturbed) / _HOURS_A_DAY
    wrong = sum(one.false_alerts for one in disturbed)
    rows.append(["all", str(known), f"{days:.2f}", "each its own", str(wrong)])
    yield from _table(("Origin", "Hosts known", "Host-days", "Threshold", "False alerts"), rows)
    yield ""
    yield f"Chosen on all origins, the threshold is {said.threshold:.3f}; false alerts on these same hosts: {said.false_alerts}."


def _peers(peers: Peers) -> Iterator[str]:
    told = {label: peers.attackers_judged.get(label, 0) for label in peers.attackers}
    yield f"It could learn from {peers.captures_judged} of {peers.captures} captures; the rest begin"
    yield "with their attack, or are too short. Attackers in those that are left:"
    yield ", ".join(f"{told[label]} of {n} {label}" for label, n in peers.attackers.items()) + "."
    yield ""
    labels = [label for label in peers.attackers if told[label]]
    rows = []
    for one in peers.beside:
        cells = [
            f"{one.accused.get(label, 0)}"
            + (f" ({one.named.get(label, 0)})" if one.named is not None else "")
            for label in labels
        ]
        rows.append([one.detector, *cells, str(one.false_alerts)])
    columns = ("Detector", *(f"{label}, {told[label]}" for label in labels), "False alerts")
    yield from _table(columns, rows)
    yield ""
    yield f"In {peers.host_days:.2f} host-days of hosts that never attack."


def _accused(judged: Judgement, baseline: Judgement) -> Iterator[str]:
    limits = {one.origin: sum(one.false_alerts.values()) for one in baseline.accused}
    columns = ("Origin", "Hosts", "Host-days", "False alerts", "per 10 host-days", "Fixed limits")
    rows, days, count, by_limits = [], 0.0, 0, 0
    for one in judged.accused:
        wrong = sum(one.false_alerts.values())
        rows.append(_accused_row(one, limits.get(one.origin, 0)))
        if not is_own(one.origin):
            days += one.host_hours / _HOURS_A_DAY
            count += wrong
            by_limits += limits.get(one.origin, 0)
    rows.append(
        ["all foreign", "", f"{days:.1f}", str(count), f"{10 * count / days:.2f}", str(by_limits)]
    )
    yield from _table(columns, rows)


def _accused_row(one: Accused, limits: int) -> list[str]:
    wrong = sum(one.false_alerts.values())
    told = ", ".join(f"{n} {label}" for label, n in one.false_alerts.items()) or "none"
    days = one.host_hours / _HOURS_A_DAY
    rate = f"{10 * wrong / days:.2f}" if days >= 1 else ("0" if not wrong else "too short")
    return [one.origin, str(one.hosts), f"{days:.2f}", told, rate, str(limits)]


def _confusion(judged: Judgement) -> Iterator[str]:
    rows = (
        [true, *(str(named[column]) for column in CLASSES)]
        for true, named in judged.confusion.items()
    )
    yield from _table(("Was", *CLASSES), rows)


def _scenes(judged: Judgement, *, own: bool) -> Iterator[str]:
    shown = [
        one
        for one in judged.sightings
        if is_own(one.origin) == own
        and not (own and one.seconds is not None and one.seconds <= SOON_S)
    ]
    yield from ("<details><summary>Table</summary>", "")
    yield from _table(
        ("Origin", "Scene", "Class", "Windows", "named right", "Alert after", "Also called"),
        (
            [
                one.origin,
                one.scene.removeprefix("captures/"),
                one.label,
                str(one.windows),
                f"{one.windows_found / one.windows:.0%}",
                "never" if one.seconds is None else f"{one.seconds:.0f} s",
                ", ".join(one.otherwise),
            ]
            for one in shown
        ),
    )
    yield from ("", "</details>", "")


def _delays(judged: Judgement) -> str:
    seconds = (1, 2, 3, 5, 10, 20, 40, 60, 120)
    lines = []
    for label in CLASSES[1:]:
        mine = [one for one in judged.sightings if one.label == label]
        mine = [one for one in mine if not one.origin.startswith("edgewarden-synthetic")]
        if mine:
            points = [(_place(s, seconds), _within(mine, s) / len(mine)) for s in seconds]
            lines.append(Line(f"{label} ({len(mine)})", points))
    ticks = [(_place(s, seconds), str(s)) for s in seconds]
    axes = ("seconds since the attack began", "attackers found")
    return drawing("Attackers found in time (recorded origins)", axes, lines, ticks)


def _place(value: float, scale: Sequence[float]) -> float:
    return math.log(value / scale[0]) / math.log(scale[-1] / scale[0])


def _reliability(judged: Judgement) -> str:
    points = [(one.mean_score, one.share_right) for one in judged.reliability]
    lines = [Line("measured", points), Line("ideal", [(0, 0), (1, 1)])]
    ticks = [(share / 4, f"{share / 4:.2f}") for share in range(5)]
    return drawing("Reliability of scores", ("score", "share that was right"), lines, ticks)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "|".join("---" for _ in columns) + "|"
    yield from ("| " + " | ".join(row) + " |" for row in rows)
