"""The lab's one error: it cannot record here, and says what is missing."""


class LabError(Exception):
    """The lab cannot run or a recording is not usable; the message says what to do."""
