"""An alert that still grows, and why it was opened."""

from collections.abc import Callable

import msgspec

from agent.config import Mode
from contract.messages import Alert, Change, Flow, Isolation, TopFeature


class Explanation(msgspec.Struct, frozen=True):
    """Why a verdict is what it is."""

    top_features: list[TopFeature]
    counterfactual: list[Change]
    flow: Flow | None = None  # shows the attack best


Reasons = Callable[[], Explanation]


class OpenAlert:
    """An alert that still grows."""

    def __init__(self, alert: Alert) -> None:
        self.alert = alert
        self.told_ns = alert.opened_ns
        self.isolations = 0
        self.decided_until_ns: int | None = None  # None: for good
        self.mode: Mode = "observe"  # when it was decided
        self.is_cut = False  # by what was decided
        self.asked = 0  # how often a person was asked to cut it off
        self.part: Isolation | None = None  # that stands and may be widened
        self.strays = 0  # weight of the windows that it did not hold
        self.takes_all = False  # no part was enough, or none could be cut off
        self.failures = 0  # of isolations that were to be carried out
