"""External programs that the tests check our files with."""

import os
import shutil
from pathlib import Path

import pytest

_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/systemd", "/lib/systemd")


def require(program: str, *, package: str) -> Path:
    """Find an external program.

    A machine without it skips the test; in CI, where tests/apt-packages.txt was installed,
    the same absence is a failure, so that a check never vanishes unnoticed.

    Args:
        program: The program's name, as a shell would look it up.
        package: The Debian package that brings it.

    Returns:
        The program's absolute path; folders for administrators are searched as well, since
        an ordinary user's PATH lacks them.
    """
    search = os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM_FOLDERS])
    found = shutil.which(program, path=search)
    if found is not None:
        return Path(found).absolute()
    missing = f"{program} is missing: apt install {package}"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
