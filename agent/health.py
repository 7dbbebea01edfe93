"""How the box is: load, memory, heat, clock, and everything that was dropped."""

import ctypes
import os
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

import msgspec
import psutil

from contract.identifiers import ModelId
from contract.messages import Health

_THERMAL: Final = Path("/sys/class/thermal/thermal_zone0/temp")
# The Pi's firmware: bits 0 to 3 say what holds now (under-voltage, capped, throttled, too hot).
_THROTTLED: Final = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
_THROTTLED_NOW: Final = 0xF
_SYNCHRONIZED: Final = Path("/run/systemd/timesync/synchronized")
_STA_UNSYNC: Final = 0x40
_TIMEX_WORDS: Final = 64  # larger than struct timex on any Linux
_STATUS_WORD: Final = 10  # behind five longs, on 64 bit
_MILLI: Final = 1000
_PERCENT: Final = 100.0

Mode = Literal["observe", "suggest", "enforce"]


class Seen(msgspec.Struct, frozen=True):
    """How much went through since the start."""

    frames: int
    windows: int
    hosts: int
    alerts: int


class HealthReporter:
    """Reads the box's state. The first report has no CPU figure yet: it is a difference."""

    def __init__(self, model_id: ModelId) -> None:
        self.model_id = model_id  # of what judges now
        self._version = version("edgewarden")
        self._process = psutil.Process()
        self._started_s = time.clock_gettime(time.CLOCK_BOOTTIME)  # goes on while the box sleeps
        psutil.cpu_percent()

    def report(
        self,
        now_ns: int,
        mode: Mode,
        seen: Seen,
        dropped: Mapping[str, int],
        queued: Mapping[str, int],
    ) -> Health:
        """Return the state of the box.

        Args:
            now_ns: The clock.
            mode: How far the policy may act.
            seen: What went through.
            dropped: What did not, by reason, since the start.
            queued: Depths of queues.
        """
        return Health(
            sent_ns=now_ns,
            uptime_s=int(time.clock_gettime(time.CLOCK_BOOTTIME) - self._started_s),
            cpu_usage_percent=min(max(psutil.cpu_percent(), 0.0), _PERCENT),
            memory_usage_percent=psutil.virtual_memory().percent,
            temperature_celsius=temperature_celsius(),
            throttled=is_throttled(),
            process_rss_bytes=self._process.memory_info().rss,
            frames=seen.frames,
            windows=seen.windows,
            hosts=seen.hosts,
            alerts=seen.alerts,
            dropped=dict(dropped),
            queued=dict(queued),
            clock_synchronized=is_clock_synchronized(),
            model_id=self.model_id,
            mode=mode,
            version=self._version,
        )


def temperature_celsius(path: Path = _THERMAL) -> float | None:
    """Return the processor's temperature, None where the kernel does not tell it."""
    text = _read(path)
    return int(text) / _MILLI if text.lstrip("-").isdecimal() else None


def is_throttled(path: Path = _THROTTLED) -> bool:
    """Return whether a Pi runs slower than it could, for heat or a weak power supply."""
    try:
        return bool(int(_read(path) or "0", 16) & _THROTTLED_NOW)
    except ValueError:
        return False


def is_clock_synchronized(told_by_systemd: Path = _SYNCHRONIZED) -> bool:
    """Return whether the kernel's clock follows a time server."""
    libc = ctypes.CDLL(None, use_errno=True)
    words = (ctypes.c_int32 * _TIMEX_WORDS)()
    if libc.adjtimex(ctypes.byref(words)) < 0:
        # Our unit's ProtectClock= forbids the question along with the setting of the clock.
        return told_by_systemd.exists()
    return not words[_STATUS_WORD] & _STA_UNSYNC


def _read(path: Path) -> str:
    try:
        return os.fsdecode(path.read_bytes()).strip()
    except OSError:
        return ""
