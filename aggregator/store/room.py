"""Room on the disk: before it is full nothing more is taken in, so that nothing breaks."""

import logging
import shutil
import time
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
RECOVERY = 1.25  # as much again has to be free before we go on, so that we do not flutter


class Room:
    """Watches the free space of the disk that holds a folder."""

    def __init__(self, folder: Path, min_free_bytes: int) -> None:
        self._folder = folder
        self._min_free_bytes = min_free_bytes
        self._looked_at_s = -LOOK_EVERY_S
        self._enough = True

    def is_enough(self) -> bool:
        """Return whether more may be written; tells when that changes."""
        now_s = time.monotonic()
        if now_s - self._looked_at_s < LOOK_EVERY_S:
            return self._enough
        self._looked_at_s = now_s
        free_bytes = shutil.disk_usage(self._folder).free
        needed_bytes = self._min_free_bytes * (1 if self._enough else RECOVERY)
        if (free_bytes >= needed_bytes) != self._enough:
            self._tell(free_bytes)
        return self._enough

    def fits(self, more_bytes: int) -> bool:
        """Return whether so much more may be written at once."""
        return shutil.disk_usage(self._folder).free - more_bytes >= self._min_free_bytes

    def _tell(self, free_bytes: int) -> None:
        self._enough = not self._enough
        extra = {"folder": str(self._folder), "free_bytes": free_bytes}
        if self._enough:
            log.info("disk_has_room_again", extra=extra)
        else:
            log.error("disk_is_full", extra=extra | {"kept_free_bytes": self._min_free_bytes})
