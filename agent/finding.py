"""What `doctor` says of one thing that it looked at."""

from typing import Literal

import msgspec

State = Literal["fine", "warning", "broken"]


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at."""

    state: State
    what: str
    fix: str = ""
