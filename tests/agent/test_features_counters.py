"""Each counter of the feature schema on traffic made by hand, with the value a person expects."""

import pytest

from contract.features import COUNTER_NAMES
from tests.agent import counted_calls, counted_claims, counted_flows
from tests.agent.builders import observed
from tests.agent.counted_frames import Case

CASES = counted_flows.CASES | counted_claims.CASES | counted_calls.CASES


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(name, case, id=f"{name}-{i}")
        for name, cs in CASES.items()
        for i, case in enumerate(cs)
    ],
)
def test_a_counter_says_what_the_schema_promises(name: str, case: Case) -> None:
    assert observed(case.frames()).count(name, case.who, case.window) == pytest.approx(case.value)


def test_every_counter_of_the_schema_has_a_case() -> None:
    assert set(CASES) == set(COUNTER_NAMES)
