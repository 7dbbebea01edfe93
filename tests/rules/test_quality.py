"""docs/quality.yaml and docs/adr say what is true of the repository."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
RULES = yaml.safe_load((ROOT / "docs" / "quality.yaml").read_text())
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
SECTIONS = ("Context", "Decision", "Consequences")


@pytest.mark.parametrize("rule", RULES)
def test_a_quality_rule_is_shown_or_says_why_not(rule: str):
    stated = RULES[rule]
    match stated["status"]:
        case "done":
            assert (ROOT / stated["shown_by"]).exists()
        case "exempt":
            assert stated["why"].endswith(".")
        case other:
            pytest.fail(f"{rule}: {other} is neither done nor exempt")


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_number_and_its_parts(decision: Path):
    text = decision.read_text()
    number = decision.name[:4]
    assert text.startswith(f"# {number} ")
    assert re.search(r"(?m)^Status: (proposed|accepted|superseded by \d{4})$", text)
    assert [part for part in re.findall(r"(?m)^## (\w+)", text) if part in SECTIONS] == [*SECTIONS]


def test_no_two_decisions_share_a_number():
    numbers = [decision.name[:4] for decision in DECISIONS]
    assert len(numbers) == len(set(numbers))
