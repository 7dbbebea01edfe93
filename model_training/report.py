"""The detection report: scene by scene, by models that had seen nothing of the origin."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from contract.attacks import CLASSES
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
from model_training.kitsune import JUDGED, LEARNED, LEAST_LEARNED
from model_training.novelty import SecondOpinion
from model_training.peers import Peers

REPORT: Final = "detection.md"
IMAGES: Final = "images"
_FEW: Final = 5  # attackers of a class, below which a share says little
LOUD_PACKETS: Final = 20  # that a loud attacker sends in its loudest second
_HOURS_A_DAY: Final = 24

_HOW: Final = """\
Every figure here is made by one command, `edgewarden-train evaluate`, from the captures named in the
[model card](../agent/models/default/card.md). Each origin is judged by a model that was trained on all others and saw
nothing of it, through the agent's own observer and with its rules for alerts: two verdicts within ten seconds, or one
window of 200 packets and more. The thresholds were chosen on these same scores, for a budget of false alerts over all
origins; fresh captures may show somewhat more of them. What shows no evidence
of an attack is benign without a score, and a few limits tell plain attacks by themselves
([0014](adr/0014-no-verdict-without-evidence.md), [0015](adr/0015-plain-attacks-are-told-by-limits.md)); the limits were set
by hand with all captures at hand, so they know these origins.

*Found* is an alert of the right class on the right host. Seconds count from the start of the window with the first attack
packet to the alert. Origins that begin with `edgewarden-` are this project's own: the laboratory's households share
tools and programs, and the synthetic scenes share their author, so what they say of strangers is little; the others are
foreign laboratories, devices and tools.
"""
_LOUD: Final = f"""\
Loud is who poisons (MITM), or sends {LOUD_PACKETS} packets and more in its loudest second, its day's work counted; the others are slow.
"""
_TOOLS: Final = """\
Made by `edgewarden-train tools`: each tool is judged by a model that saw no scene of it, wherever it was recorded. The homes
it was used in were seen, with other attacks. *By origin* is the same scenes by models that saw the tool, but not the home.
The thresholds are those of above.
"""
_FAMILIES: Final = """\
Made by `edgewarden-train ablate`: trained without one family of features (`contract/features.py`), every origin held out
once, with thresholds chosen anew for the same budget of false alerts. A third of the rounds, each three times as large, so
the first row is not the model above; compare rows with it, not with other tables. Limits that use the family are left
out too; what is evidence at all stays. A family that seems to buy nothing may be told by its neighbours.
"""
_NOVELTY: Final = """\
A second opinion is asked about hosts that the agent knows for long enough and that the classifier calls benign: an
isolation forest over how far a host goes beyond what is usual for it, fitted to hosts that never attack. Five novel windows
within ten seconds open an alert `Anomaly`, of low severity, that isolates nobody. Made by `edgewarden-train novelty`; a host
with the same address in several captures of one origin is one host. Each origin is judged by a forest and a threshold that
were made without it: the lowest within one false alert in 100 host-days on all others.

Most attackers are strangers to the network when they attack, and of a stranger nothing is usual: the second opinion says
nothing of them. Those that are known and missed attack so slowly that hardly anything about them is unusual, in captures in
which they do little else. Known devices that turn to attack while nobody has a class for it are in no capture: there is too
little data to say what the second opinion is worth. What disturbs it are devices that are set up anew, and `IoT_Sentinel`
records nothing else: held out, it shows what the forest makes of a kind of behaviour that no other origin has.
"""
_KITSUNE: Final = f"""\
[Kitsune](https://github.com/ymirsky/Kitsune-py) (Mirsky et al., NDSS 2018) learns what is normal in the benign beginning of
each capture, without labels, and scores every packet after that. Made by `edgewarden-train peers` with its authors' code, fed
from our decoder: at most {LEARNED} packets to learn from, of which the last fifth say what errors are usual, and {JUDGED} to judge; at
least {LEAST_LEARNED} to learn from. A host's score of a window is the mean over its packets, in standard deviations of the usual errors'
logarithm; alerts by the same rules. Its threshold on each origin is the lowest that keeps a number of false alerts on all other
origins: first the budget that our classes have together, then noisier ones. All detectors are judged on the same windows. It
knows no classes, so that an alert counts that accuses the attacker while it attacks, whatever it says; in brackets, of those
that name classes, how many named the right one.
"""
_CALIBRATION: Final = """\
Expected calibration error: the mean distance between score and share right, of windows whose likeliest attack scores 0.1
and more. *Mapped* is what one map for each class would make of it, fitted to all other origins (Platt's scaling of
the log odds). The model's scores are not mapped: where the map makes strangers worse, a number that looks more certain than
it is would be told to people.
"""
_MISSING: Final = """\
## Why what is missed is missed

- `AllKahra`: its slower generators open one connection in half a second to two seconds, send one made-up line, and are a
  flood, a password guess or a beacon by the port alone; few counters tell the three apart. `mqtt_abuse` publishes at ten packets a second. Its floods, slow requests and scans that are loud are found.
  Two hosts that only answer are listed as scanners.
- `efrei`: a forged reply for an address that nobody uses, every ten seconds; a rogue DHCP server that sends two to six
  frames, and is told only where an honest one was heard before.
- `ID2T` lists the bot's command and loading servers as attackers; they answer connections. Its hydra makes one connection
  in twenty seconds.
- `ndsec1`: two of its three bots send one SYN a second, no flood by any counter.
- `StopDDoS`, `markofu`: some captures last a fraction of a second, one window in all; a scan of IP protocols leaves
  nothing in the counters but packets.
- Botnet has too little foreign data to say much: no foreign capture shows a bot that searches. Which of
  its 18 attackers are found moves by one or two with the seed of a training
  ([0018](adr/0018-features-are-drawn-for-each-split.md)).
- Replay: the six sessions that a host sends again by itself are what it does when a button is pressed twice
  ([0016](adr/0016-a-host-that-says-the-same-again-is-no-replay.md)); foreign replays there are none.
"""


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
    yield from ("# How well it detects on networks it has never seen", "", _HOW)
    yield from ("## In short", "", *_summary(judged, evaluation.baseline), "")
    yield "Fixed limits are those of `model_training/baseline.py`, judged by the same rules."
    yield from ("", _LOUD, *_by_loudness(judged), "")
    yield from ("", "![Attackers found, by seconds](images/detection-delay.svg)", "")
    yield from ("## By origin and class", "", *_by_origin(judged), "")
    if evaluation.tools:
        yield from ("## By tool", "", _TOOLS, *_by_tool(evaluation.tools, judged), "")
    if evaluation.ablation:
        yield from ("## What each family of features buys", "", _FAMILIES)
        yield from (*_ablation(evaluation.ablation), "")
    yield from ("## False alerts", "", *_accused(judged, evaluation.baseline), "")
    if evaluation.second_opinion:
        yield from ("## What no class explains", "", _NOVELTY)
        yield from (*_second_opinion(evaluation.second_opinion), "")
    if evaluation.peers:
        yield from ("## Beside Kitsune", "", _KITSUNE, *_peers(evaluation.peers), "")
    yield from ("## What was taken for what", "", "Windows, over all origins held out.", "")
    yield from (*_confusion(judged), "")
    yield from ("## What a score is worth", "")
    yield "Of windows whose likeliest attack scored alike, how many it was right about. Half of all"
    yield "training weight is attack and a home is not, so that low scores promise too much."
    yield from ("", "![Reliability](images/detection-reliability.svg)", "")
    if evaluation.calibration:
        yield from (_CALIBRATION, *_calibration(evaluation.calibration), "")
    yield _MISSING
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
    return one.label == "MITM" or one.loudest >= LOUD_PACKETS


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
    yield f"Chosen on all origins, the threshold is {said.threshold:.3f}: {said.false_alerts} false alerts on these same hosts."


def _peers(peers: Peers) -> Iterator[str]:
    told = {label: peers.attackers_judged.get(label, 0) for label in peers.attackers}
    yield f"It could learn from {peers.captures_judged} of {peers.captures} captures; the rest begin"
    yield "with their attack, or are too short. Attackers in those that are left: "
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
