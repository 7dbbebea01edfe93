"""Packet filters in the words of tcpdump, which compiles them."""

import ctypes
import os
import shutil
import socket
import struct
import subprocess
from typing import Final

from agent.errors import CaptureError

_SO_ATTACH_FILTER: Final = 26
_INSTRUCTION: Final = struct.Struct("=HBBI")
_MAX_INSTRUCTIONS: Final = 4096  # the kernel takes no more
_TIMEOUT_S: Final = 10
_SYSTEM_FOLDERS: Final = ("/usr/sbin", "/sbin", "/usr/local/sbin")


def compile_filter(expression: str) -> bytes:
    """Compile a filter expression for Ethernet, such as "not port 22"; none gives b"".

    The kernel takes a frame's outer VLAN tag off before the filter sees it.

    Raises:
        CaptureError: tcpdump is not installed, or does not understand the expression.
    """
    if not expression.strip():
        return b""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM_FOLDERS])
    tcpdump = shutil.which("tcpdump", path=path)
    if tcpdump is None:
        message = "the capture filter needs tcpdump to compile it: apt install tcpdump"
        raise CaptureError(message)
    command = [tcpdump, "-y", "EN10MB", "-ddd", "--", expression]
    try:
        ran = subprocess.run(  # noqa: S603 an argument list, no shell
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no reason given"]
        message = f"capture filter {expression!r}: {lines[-1]}"
        raise CaptureError(message) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"capture filter {expression!r}: tcpdump failed: {error}"
        raise CaptureError(message) from error
    return _packed(ran.stdout)


def attach_filter(to: socket.socket, program: bytes) -> None:
    """Let a socket receive only what a compiled filter accepts; b"" accepts everything."""
    if not program:
        return
    code = ctypes.create_string_buffer(program, len(program))
    count = len(program) // _INSTRUCTION.size
    to.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", count, ctypes.addressof(code))
    )


def _packed(listing: str) -> bytes:
    """Turn decimal lines of code, jump if true, jump if false and constant into instructions."""
    instructions = [[int(number) for number in line.split()] for line in listing.splitlines()[1:]]
    if not 0 < len(instructions) <= _MAX_INSTRUCTIONS:
        message = f"the capture filter compiles to {len(instructions)} instructions: too many"
        raise CaptureError(message)
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in instructions)
