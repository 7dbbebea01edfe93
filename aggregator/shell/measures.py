"""How a Linux device is, by what its kernel says; and what it logs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from aggregator.errors import UnreachableError
from aggregator.shell.ssh import Line

MOST_BYTES: Final = 256 * 1024
MOST_LINES: Final = 1000
MOST_PROCESSES: Final = 20
_KB: Final = 1024

# One connection, one command, nothing of it from outside. `ps` of busybox knows no columns.
_LOOK: Final = """\
export LC_ALL=C
echo @uptime; cat /proc/uptime
echo @load; cat /proc/loadavg
echo @cores; grep -c ^processor /proc/cpuinfo
echo @before; head -n 1 /proc/stat
sleep 0.5
echo @after; head -n 1 /proc/stat
echo @memory; cat /proc/meminfo
echo @disk; df -kP
echo @network; cat /proc/net/dev
echo @processes; ps -eo pid,user,pcpu,pmem,comm --sort=-pcpu | head -n 21
"""
# Whichever says anything: the journal, or the files of a syslog, or the kernel. The journal is silent
# with success where it is empty, or this user may not read it.
_TELL: Final = """\
export LC_ALL=C
n={count}
told() {{
  told=$("$@" 2>/dev/null | tail -n $n)
  [ -n "$told" ] && printf '%s\\n' "$told"
}}
told journalctl -q -n $n --no-pager -o short-iso \
|| told tail -n $n /var/log/syslog \
|| told tail -n $n /var/log/messages \
|| told logread \
|| told dmesg
"""


class Cpu(msgspec.Struct, frozen=True, rename="camel"):
    """How busy its processors are."""

    usage_percent: float
    cores: int
    load_average: list[float]  # over 1, 5 and 15 minutes


class Memory(msgspec.Struct, frozen=True, rename="camel"):
    """How much memory is in use."""

    total_bytes: int
    used_bytes: int
    usage_percent: float


class Disk(msgspec.Struct, frozen=True, rename="camel"):
    """How full a file system is."""

    filesystem: str
    mount: str
    total_bytes: int
    used_bytes: int
    usage_percent: float


class Interface(msgspec.Struct, frozen=True, rename="camel"):
    """What went over a network interface since the device started."""

    name: str
    received_bytes: int
    sent_bytes: int


class Process(msgspec.Struct, frozen=True, rename="camel"):
    """One of the busiest processes."""

    pid: int
    user: str
    cpu_percent: float
    memory_percent: float
    command: str


class Metrics(msgspec.Struct, frozen=True, rename="camel"):
    """How a device is; lists are empty where it has no such thing."""

    cpu: Cpu
    memory: Memory
    disk: list[Disk]
    network: list[Interface]
    processes: list[Process]
    uptime: float  # seconds


async def metrics(line: Line, most_s: float) -> Metrics:
    """Ask a device how it is.

    Raises:
        UnreachableError: It does not answer in time.
    """
    return parsed(await line.output_of(_LOOK, most_s=most_s, most_bytes=MOST_BYTES))


async def log_lines(line: Line, count: int, most_s: float) -> list[str]:
    """Return the last lines that a device logged, oldest first.

    Raises:
        UnreachableError: It does not answer in time, or shows no log to this user.
    """
    order = _TELL.format(count=int(count))
    told = await line.output_of(order, most_s=most_s, most_bytes=MOST_BYTES)
    lines = told.decode(errors="replace").splitlines()
    if not lines:
        message = "the device shows no log: it is no Linux, or its user may read none"
        raise UnreachableError(message)
    return lines[-count:]


def parsed(told: bytes) -> Metrics:
    """Read what a device told; what it did not tell is 0, or missing from its list.

    Raises:
        UnreachableError: It told nothing of its memory, as every Linux does.
    """
    parts = _parts(told.decode(errors="replace"))
    if not parts.get("memory"):
        message = "the device does not answer as a Linux does"
        raise UnreachableError(message)
    return Metrics(
        cpu=Cpu(
            usage_percent=_busy(parts),
            cores=int(_number(_word(parts, "cores", 0))),
            load_average=[_number(_word(parts, "load", place)) for place in range(3)],
        ),
        memory=_memory(parts.get("memory", [])),
        disk=list(_disks(parts.get("disk", []))),
        network=list(_interfaces(parts.get("network", []))),
        processes=list(_processes(parts.get("processes", [])))[:MOST_PROCESSES],
        uptime=_number(_word(parts, "uptime", 0)),
    )


def _parts(text: str) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {}
    mine: list[str] = []
    for line in text.splitlines():
        if line.startswith("@"):
            mine = parts.setdefault(line[1:], [])
        else:
            mine.append(line)
    return parts


def _word(parts: Mapping[str, Sequence[str]], name: str, place: int) -> str:
    words = " ".join(parts.get(name, [])).split()
    return words[place] if place < len(words) else ""


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"\d{1,18}(\.\d{1,9})?", text, re.ASCII) else 0.0


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 1) if whole > 0 else 0.0


def _busy(parts: Mapping[str, Sequence[str]]) -> float:
    """Return the share of time that was not idle (fields 4 and 5 of /proc/stat) between two looks."""
    before, after = (
        [_number(word) for word in " ".join(parts.get(name, [])).split()[1:]]
        for name in ("before", "after")
    )
    spent = [late - early for early, late in zip(before, after, strict=False)]
    return _percent(sum(spent) - sum(spent[3:5]), sum(spent))


def _memory(lines: Sequence[str]) -> Memory:
    kilobytes = {
        name: _number(rest.split()[0])
        for name, _, rest in (line.partition(":") for line in lines)
        if rest.split()
    }
    total = kilobytes.get("MemTotal", 0.0)
    free = kilobytes.get("MemAvailable", kilobytes.get("MemFree", 0.0))
    used = max(total - free, 0.0)
    return Memory(int(total) * _KB, int(used) * _KB, _percent(used, total))


def _disks(lines: Sequence[str]) -> Iterator[Disk]:
    for line in lines:
        words = line.split(maxsplit=5)
        if len(words) == 6 and words[0].startswith("/") and words[1].isdigit():  # noqa: PLR2004  columns of df
            total, used = int(_number(words[1])), int(_number(words[2]))
            yield Disk(words[0], words[5], total * _KB, used * _KB, _percent(used, total))


def _interfaces(lines: Sequence[str]) -> Iterator[Interface]:
    for line in lines:
        name, colon, rest = line.partition(":")
        words = rest.split()
        if colon and len(words) == 16:  # noqa: PLR2004  columns of /proc/net/dev
            yield Interface(name.strip(), int(_number(words[0])), int(_number(words[8])))


def _processes(lines: Sequence[str]) -> Iterator[Process]:
    for line in lines:
        words = line.split(maxsplit=4)
        if len(words) == 5 and words[0].isdigit():  # noqa: PLR2004  the columns that we ask for
            pid = int(_number(words[0]))
            yield Process(pid, words[1], _number(words[2]), _number(words[3]), words[4][:200])
