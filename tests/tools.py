"""What tests need of the machine: external programs, and somebody without rights."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_NOBODY = 65534
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


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """Close a folder to who runs the block, root too."""
    folder.chmod(0)
    was_root = os.geteuid() == 0
    try:
        if was_root:
            os.setresuid(_NOBODY, _NOBODY, 0)
        yield
    finally:
        if was_root:
            os.setresuid(0, 0, 0)
        folder.chmod(0o700)
