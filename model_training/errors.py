"""The errors of training.

TrainingError
├── ManifestError   the captures are not as their manifest says
├── ParamsError     params.toml has a setting that does not exist or is out of range
└── StepError       a step of the way was skipped, or its result does not hold
"""


class TrainingError(Exception):
    """Base of what stops training and is told to a person in one line."""


class ManifestError(TrainingError):
    """The captures are not as their manifest says."""


class ParamsError(TrainingError):
    """A training parameter is wrong."""


class StepError(TrainingError):
    """A step of the way was skipped, or its result does not hold."""
