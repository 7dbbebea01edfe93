"""Tables for people at a terminal."""

from collections.abc import Iterable

from rich.table import Table

from contract.attacks import CLASSES
from model_training.captures import Capture
from model_training.dataset import Dataset
from model_training.evaluate import Judgement
from model_training.labels import UNKNOWN


def of_captures(captures: Iterable[Capture]) -> Table:
    """Return how many captures each origin has, for what."""
    sums: dict[tuple[str, str], list[float]] = {}
    classes: dict[tuple[str, str], set[str]] = {}
    for capture in captures:
        entry = capture.entry
        key = (entry.origin.name, str(entry.split))
        count, packets, seconds = sums.get(key, [0, 0, 0.0])
        sums[key] = [count + 1, packets + entry.packets, seconds + entry.seconds]
        classes.setdefault(key, set()).update(entry.classes)
    table = Table("Origin", "Split", "Captures", "Packets", "Hours", "Classes in the manifest")
    for key in sorted(sums):
        count, packets, seconds = sums[key]
        numbers = (f"{count:.0f}", f"{packets:.0f}", f"{seconds / 3600:.1f}")
        table.add_row(*key, *numbers, ", ".join(sorted(classes[key])))
    return table


def of_dataset(dataset: Dataset) -> Table:
    """Return how many windows of each class each origin has."""
    table = Table("Origin", *CLASSES, "left out")
    for index, origin in enumerate(dataset.origins):
        labels = dataset.label[dataset.origin == index]
        columns = [*range(len(CLASSES)), UNKNOWN]
        table.add_row(origin, *(str(int((labels == label).sum())) for label in columns))
    return table


def of_attacks(judgement: Judgement) -> Table:
    """Return how attacks were found."""
    table = Table("Origin", "Class", "Windows", "Right", "Any", "Attackers", "Found", "After s")
    for one in judgement.found:
        table.add_row(
            one.origin,
            one.label,
            str(one.windows),
            f"{one.windows_found / one.windows:.0%}",
            f"{one.windows_flagged / one.windows:.0%}",
            str(one.attackers),
            str(one.attackers_found),
            "" if one.seconds_to_alert is None else f"{one.seconds_to_alert:.0f}",
        )
    return table


def of_benign(judgement: Judgement) -> Table:
    """Return how benign behaviour was judged."""
    table = Table("Origin", "Hosts", "Host-hours", "Windows", "Flagged", "False alerts")
    for one in judgement.accused:
        table.add_row(
            one.origin,
            str(one.hosts),
            f"{one.host_hours:.1f}",
            str(one.windows),
            str(one.windows_flagged),
            ", ".join(f"{count} {label}" for label, count in one.false_alerts.items()),
        )
    return table
