"""The agent's errors.

AgentError
├── CaptureError     a file is no capture, or an interface cannot be opened
├── ModelError       the model cannot be used: the agent does not start
├── BaselineError    a file of baselines cannot be used: the agent starts without it
├── SpoolError       the outbox cannot be written: the agent does not start
├── ReleaseCodeError the code for letting go on this box is wrong, used or cannot be checked
├── EnrolmentError   the centre does not enrol this box, or what it gives cannot be kept
├── IsolationError   the kernel refused: reported as an isolation in state `failed`
└── EnforcerGoneError   the process that enforces has ended: so does the agent, to be started again
"""


class AgentError(Exception):
    """Base of what the agent tells a person in one line."""


class CaptureError(AgentError):
    """A file is no capture, or an interface cannot be opened."""


class ModelError(AgentError):
    """A model bundle cannot be used."""


class BaselineError(AgentError):
    """A file of baselines is damaged, of another feature schema, or cannot be written."""


class SpoolError(AgentError):
    """The outbox cannot be opened or written."""


class ReleaseCodeError(AgentError):
    """The code for letting go on this box is wrong, used, or cannot be checked."""


class EnrolmentError(AgentError):
    """The centre does not enrol this box, or what it gives cannot be kept."""


class IsolationError(AgentError):
    """The kernel refused an isolation or its end."""


class EnforcerGoneError(AgentError):
    """The process that enforces has ended, or talks nonsense."""
