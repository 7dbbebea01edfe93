"""Files that a power cut leaves whole: the old one or the new one."""

import os
from pathlib import Path

_PRIVATE = 0o600
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def write_whole(path: Path, data: bytes, mode: int = _PRIVATE) -> None:
    """Replace a file in one step. It is private, and belongs to whom the folder belongs.

    Args:
        path: The file.
        data: All that it holds from now on.
        mode: Who may read it, whatever the umask says.

    Raises:
        OSError: It cannot be written.
    """
    unfinished = path.with_suffix(".part")
    with os.fdopen(os.open(unfinished, _NEW, _PRIVATE), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    owner = path.parent.stat()
    if os.geteuid() == 0 != owner.st_uid:  # written by a person with sudo, read by a service
        os.chown(unfinished, owner.st_uid, owner.st_gid)
    unfinished.replace(path)
