"""The aggregator's errors.

ProcessError             told to a person in one line, and the process ends
├── StoreError           the database cannot be opened, or does not answer any more
│   ├── InUseError       another process has the database open
│   └── RefusedError     the database is well but does not take these values
├── OwnBrokerError       the broker that we start ourselves does not start
└── ServiceError         a running service refuses what a command asks, or does not answer
AggregatorError          told to whoever asked; api/errors.py turns it into an answer
├── UnauthenticatedError who asks is not known
├── WrongCodeError       the authorization code is missing, wrong or used
├── ForbiddenError       who asks may not do this
├── NotFoundError        what was asked for does not exist, for whoever asks
├── ConflictError        what was asked for contradicts what is there
├── LimitError           the organization's plan does not allow it
├── InvalidError         what was asked for makes no sense
├── UnreachableError     a device does not answer, or not to us
│   └── LoginRefusedError it does not let this user in with this password
├── SealError            what was kept cannot be read with the key that we have
├── FullError            there is no room for what was sent: wait before sending it again
├── StoppingError        the service stops: what was asked for is not done to its end
└── TooManyAttemptsError wait before asking again
DeliveryError            a notification was not taken: counted, shown, tried again unless final
"""

from runtime.errors import ProcessError


class StoreError(ProcessError):
    """The database cannot be opened, or does not answer any more."""


class InUseError(StoreError):
    """Another process has the database open."""


class RefusedError(StoreError):
    """The database is well but does not take these values."""


class OwnBrokerError(ProcessError):
    """The broker that we start ourselves does not start."""


class ServiceError(ProcessError):
    """A running service refuses what a command asks, or does not answer."""


class AggregatorError(Exception):
    """Base of what is told to whoever asked."""


class UnauthenticatedError(AggregatorError):
    """Who asks is not known."""


class WrongCodeError(AggregatorError):
    """The authorization code is missing, wrong or used."""


class ForbiddenError(AggregatorError):
    """Who asks may not do this."""


class NotFoundError(AggregatorError):
    """What was asked for does not exist, for whoever asks."""


class ConflictError(AggregatorError):
    """What was asked for contradicts what is there."""


class LimitError(AggregatorError):
    """The organization's plan does not allow it."""


class InvalidError(AggregatorError):
    """What was asked for makes no sense."""


class UnreachableError(AggregatorError):
    """A device does not answer, or not to us."""


class LoginRefusedError(UnreachableError):
    """A device does not let this user in with this password."""


class SealError(AggregatorError):
    """What was kept cannot be read with the key that we have."""


class TooManyAttemptsError(AggregatorError):
    """Wait before asking again."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class FullError(AggregatorError):
    """There is no room for what was sent."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoppingError(AggregatorError):
    """The service stops."""


class DeliveryError(Exception):
    """A notification was not taken."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final  # trying again would change nothing
