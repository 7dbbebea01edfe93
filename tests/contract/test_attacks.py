"""Attack classes stand where they are said to stand in MITRE's published matrices."""

import json
from pathlib import Path

import pytest

from contract.attacks import ATTACKS, CLASSES, SEVERITIES, AttackType

MATRICES = json.loads(
    (Path(__file__).parent.parent / "golden" / "attack_matrices.json").read_text()
)


def test_the_bundled_list_holds_whole_matrices():
    assert len(MATRICES["enterprise"]) > 600
    assert len(MATRICES["ics"]) > 75


@pytest.mark.parametrize("name", ATTACKS)
def test_techniques_are_in_the_published_matrices(name: AttackType):
    attack = ATTACKS[name]
    assert set(attack.techniques) <= set(MATRICES["enterprise"])
    assert set(attack.ics_techniques) <= set(MATRICES["ics"])


@pytest.mark.parametrize("name", CLASSES[1:])
def test_every_class_of_a_model_has_techniques_in_both_matrices_and_a_severity(name: AttackType):
    assert ATTACKS[name].techniques
    assert ATTACKS[name].ics_techniques
    assert ATTACKS[name].severity in SEVERITIES
