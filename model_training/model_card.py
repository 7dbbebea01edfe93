"""The model card: what the model learned from, how well it judges, and what nobody measured."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from contract.attacks import CLASSES
from contract.features import FEATURE_COUNT, WINDOW_S
from contract.model_metadata import ModelMetadata
from model_training.dataset import Dataset
from model_training.evaluate import Accused, Evaluation, Found
from model_training.novelty import HOURS_A_DAY, SecondOpinion
from model_training.runs import Record, Source

_LIMITS: Final = """\
- Everything was judged in captures, nothing in a home that was lived in while the model ran.
- Laboratory households share their tools and most of their devices' programs, so a household that
  was held out says less about strangers than a foreign origin does.
- Most attacks that it learned from were made up or recorded in laboratories; see the detection
  report for what foreign laboratories say. Replay of a single command, sent once, is not found.
- A bot that keeps one lasting line, or calls home on a usual port, looks like any vendor's device;
  it is found when it searches for others, or calls again and again where nobody else listens.
- A flood, a password guess or a beacon of less than about one connection in a second, to one
  service, cannot be told from polling unless the service refuses the login in the clear.
- Attacks inside encrypted sessions are seen by their sizes and rhythm only.
- Sniffing without a forged packet, a bot that waits, and slow scans below one port in ten seconds
  leave no mark that this model was taught.
- A rogue DHCP server is only recognised where an honest one was heard before.
- File transfers of malware, FTP bounce scans and surveys of one Modbus device are in the captures
  and were left out: no header tells them from honest work.
"""


def write_card(
    metadata: ModelMetadata, record: Record, evaluation: Evaluation, dataset: Dataset
) -> str:
    """Return the card of a model as Markdown."""
    return "\n".join(
        [
            f"# Model {metadata.model_id}",
            "",
            _purpose(metadata, evaluation),
            "## What it learned from",
            "",
            *_origins(record, dataset),
            "",
            "Captures and their licences belong to their authors; none is part of this bundle. The",
            "model holds thresholds of counts, from which no packet can be recovered.",
            "",
            "## Judged on origins that it had not seen",
            "",
            "Each line by a model trained without that origin. An attacker is found when an alert of",
            "the right class opens on it: two verdicts within ten seconds, of a bot twenty-five, or one scored 0.95 and more (of BruteForce 0.85; of MITM, Botnet and Replay 0.99).",
            "",
            *_found(evaluation.held_out.found),
            "",
            "Hosts that never attack, judged the same way. The thresholds below were chosen on these",
            "very alerts, so that fresh captures may show somewhat more of them:",
            "",
            *_accused(evaluation.held_out.accused),
            "",
            "## Validation captures",
            "",
            "By this very model. They were not trained on, but come from origins that were.",
            "",
            *_found(evaluation.validation.found),
            "",
            *_accused(evaluation.validation.accused),
            "",
            "## Thresholds",
            "",
            *_table(
                ("Class", "Score"), ([k, f"{v:.2f}"] for k, v in evaluation.thresholds.items())
            ),
            "",
            *_second_opinion(evaluation.second_opinion),
            "## What was not measured, and what it cannot do",
            "",
            _LIMITS,
            "## To repeat it",
            "",
            f"Captures {record.data_sha256}; code {record.observing_revision} and "
            f"{record.training_revision}; "
            + ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items())),
            "",
        ]
    )


def _purpose(metadata: ModelMetadata, evaluation: Evaluation) -> str:
    return (
        f"Names what a host on a home network does in {WINDOW_S} s, from {FEATURE_COUNT} numbers "
        f"(feature schema {metadata.feature_schema_id}): {', '.join(metadata.classes)}.\n"
        f"Gradient-boosted trees, {evaluation.rounds} rounds with one tree per class.\n"
    )


def _second_opinion(said: SecondOpinion | None) -> Iterator[str]:
    if said is None:
        return
    missed, found = sum(one.missed for one in said.unknown), sum(one.found for one in said.unknown)
    wrong = sum(one.false_alerts for one in said.disturbed)
    days = sum(one.host_hours for one in said.disturbed) / HOURS_A_DAY
    yield from ("## Second opinion", "")
    yield f"Novel from {said.threshold:.3f}. Of {missed} attackers that were known and missed, it found {found}"
    yield f"on origins that it had not seen, with {wrong} false alerts in {days:.1f} host-days."
    yield ""


def _origins(record: Record, dataset: Dataset) -> Iterator[str]:
    licences: dict[str, set[str]] = {}
    for source in _learned(record):
        licences.setdefault(source.origin, set()).add(source.licence)
    columns = ("Origin", "Windows", *CLASSES)
    rows = []
    for index, origin in enumerate(dataset.origins):
        labels = dataset.label[dataset.origin == index]
        counts = [str(int((labels == number).sum())) for number in range(len(CLASSES))]
        rows.append([origin, str(len(labels)), *counts])
    yield from _table(columns, rows)
    yield ""
    yield from (f"- {origin}: {'; '.join(sorted(texts))}" for origin, texts in licences.items())


def _learned(record: Record) -> Iterator[Source]:
    return (source for source in record.sources if source.split == "train")


def _found(found: Sequence[Found]) -> Iterator[str]:
    columns = ("Origin", "Class", "Windows", "Named right", "Named", "Attackers", "Found", "After")
    yield from _table(
        columns,
        (
            [
                one.origin,
                one.label,
                str(one.windows),
                f"{one.windows_found / one.windows:.0%}",
                f"{one.windows_flagged / one.windows:.0%}",
                str(one.attackers),
                str(one.attackers_found),
                "" if one.seconds_to_alert is None else f"{one.seconds_to_alert:.0f} s",
            ]
            for one in found
        ),
    )


def _accused(accused: Sequence[Accused]) -> Iterator[str]:
    columns = ("Origin", "Hosts", "Host-hours", "Windows", "Flagged", "False alerts")
    yield from _table(
        columns,
        (
            [
                one.origin,
                str(one.hosts),
                f"{one.host_hours:.1f}",
                str(one.windows),
                str(one.windows_flagged),
                ", ".join(f"{n} {label}" for label, n in one.false_alerts.items()) or "none",
            ]
            for one in accused
        ),
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "|".join("---" for _ in columns) + "|"
    yield from ("| " + " | ".join(row) + " |" for row in rows)
