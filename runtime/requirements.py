"""What a program needs and is not installed: one line that names it, and what to install."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

OURS: Final = frozenset({"agent", "aggregator", "contract", "model_training", "runtime"})
NOT_INSTALLED: Final = 2  # the exit code of what a person has to mend


@contextmanager
def needing(program: str, requirements: str) -> Iterator[None]:
    """End the process in one line where a library is missing; for `with`, or as a decorator.

    A missing module of our own, or of Python itself, is a mistake of another kind and raised.

    Args:
        program: Its name.
        requirements: The file in requirements/ that has all it needs.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing in OURS | sys.stdlib_module_names:
            raise
        install = (
            f"{sys.executable} -m pip install --require-hashes -r requirements/{requirements}"
        )
        told = f"{program}: `{missing}` is not installed; in the clone: {install}"
        sys.stderr.write(told + "\n")
        raise SystemExit(NOT_INSTALLED) from error
