"""The errors of a process, whatever it does.

ProcessError
├── ConfigError   a setting is wrong: one line that names the place
└── BrokerError   the broker cannot be reached or refuses us
"""


class ProcessError(Exception):
    """Base of what stops a process and is told to a person in one line."""


class ConfigError(ProcessError):
    """A setting is wrong."""


class BrokerError(ProcessError):
    """The broker cannot be reached or refuses us."""


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error of a group that is no group itself."""
    inner = group.exceptions[0]
    return first_of(inner) if isinstance(inner, BaseExceptionGroup) else inner
