"""One figure beside what was asked."""

from typing import Literal, NamedTuple


class Goal(NamedTuple):
    """One figure beside what was asked; `unit` stands behind both."""

    what: str
    asked: float
    sign: Literal[">=", "<="]
    reached: float | None
    unit: str

    @property
    def is_met(self) -> bool:
        """Whether it was reached."""
        if self.reached is None:
            return False
        return self.reached >= self.asked if self.sign == ">=" else self.reached <= self.asked
