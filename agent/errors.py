"""The agent's errors.

AgentError
├── CaptureError     a file is no capture, or an interface cannot be opened
├── ModelError       the model cannot be used: the agent does not start
├── CentreError      the centre's API cannot be reached, cannot be trusted, or refuses
├── BaselineError    a file of baselines cannot be used: the agent starts without it
├── SpoolError       the outbox cannot be written: the agent does not start
├── ReleaseCodeError the code for letting go on this box is wrong, used or cannot be checked
├── EnrolmentError   what the centre gives this box is no enrolment, or cannot be kept
├── IsolationError   the kernel refused: reported as an isolation in state `failed`
└── EnforcerGoneError   the process that enforces has ended: so does the agent, to be started again
"""


class AgentError(Exception):
    """Base of what the agent tells a person in one line."""


class CaptureError(AgentError):
    """A file is no capture, or an interface cannot be opened."""


class ModelError(AgentError):
    """A model bundle cannot be used."""


class CentreError(AgentError):
    """The centre's API cannot be reached, cannot be trusted, or refuses."""


class BaselineError(AgentError):
    """A file of baselines is damaged, of another feature schema, or cannot be written."""


class SpoolError(AgentError):
    """The outbox cannot be opened or written."""


class ReleaseCodeError(AgentError):
    """The code for letting go on this box is wrong, used, or cannot be checked."""


class EnrolmentError(AgentError):
    """What the centre gives this box is no enrolment, or cannot be kept."""


class IsolationError(AgentError):
    """The kernel refused an isolation or its end."""


class NoBridgeError(IsolationError):
    """There is no bridge of that name here."""


class EnforcerGoneError(AgentError):
    """The process that enforces has ended, or talks nonsense."""
