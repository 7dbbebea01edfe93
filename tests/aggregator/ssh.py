"""A real SSH server on loopback, in a process of its own: commands run in a real shell, terminals in a pty.

Usage: python -m tests.aggregator.ssh PORT FOLDER    serves until it is ended; a PORT of 0: any
"""

import asyncio
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import httpx

USER, SECRET = "pi", "raspberry-pie"
KEY, COMMANDS, HANGS, PROGRAMS = "host.key", "commands", "hangs", "bin"


class SshServer:
    """A server that runs, and what it was told to do."""

    def __init__(self, folder: Path, port: int) -> None:
        self.path = folder
        self.port = port

    @property
    def fingerprint(self) -> str:
        return asyncssh.read_private_key(self.path / KEY).get_fingerprint()

    @property
    def commands(self) -> str:
        """Everything that it was told to run."""
        told = self.path / COMMANDS
        return told.read_text() if told.exists() else ""

    def install(self, name: str, script: str) -> None:
        """Put a program before the others that it has."""
        program = self.path / PROGRAMS / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def hang(self) -> None:
        """Answer nothing from now on."""
        (self.path / HANGS).touch()


def add(manager: httpx.Client, server: SshServer, **more: object) -> str:
    """Enrol the server as a device; return its id."""
    given = {
        "name": f"box {server.port}",
        "host": "127.0.0.1",
        "port": server.port,
        "username": USER,
        "password": SECRET,
    }
    answer = manager.post("/devices", json=given | more).raise_for_status()
    return str(answer.json()["data"]["id"])


@contextmanager
def ssh_server(folder: Path, port: int = 0) -> Iterator[SshServer]:
    folder.mkdir(exist_ok=True)
    order = [sys.executable, "-m", "tests.aggregator.ssh", str(port), str(folder)]
    with subprocess.Popen(order, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            yield SshServer(folder, int(process.stdout.readline()))
        finally:
            process.kill()


class _Login(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, SECRET)


class _Machine:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def process(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        with (self._folder / COMMANDS).open("a") as told:
            told.write(f"{process.command or 'a terminal'}\n")
        if (self._folder / HANGS).exists():
            await asyncio.sleep(60)
        elif process.term_type is None:
            await self._command(process)
        else:
            await self._shell(process)

    async def _command(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        path = f"{self._folder / PROGRAMS}:{os.environ['PATH']}"
        running = await asyncio.create_subprocess_exec(
            "sh", "-c", process.command or "", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL, env=os.environ | {"PATH": path},
        )  # fmt: skip
        out, _ = await running.communicate()
        process.stdout.write(out)
        process.exit(running.returncode or 0)

    async def _shell(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        ours, theirs = pty.openpty()
        columns, rows = process.term_size[:2]
        termios.tcsetwinsize(theirs, (rows, columns))
        running = await asyncio.create_subprocess_exec(
            "sh", "-i", stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            cwd=self._folder, env={"PS1": "$ ", "PATH": os.environ["PATH"], "TERM": "dumb"},
        )  # fmt: skip
        os.close(theirs)
        await process.redirect(stdin=ours, stdout=os.dup(ours))
        process.exit(await running.wait())


async def _serve(port: int, folder: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(folder / KEY)
    listener = await asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=_Login,
        server_host_keys=[key],
        process_factory=_Machine(folder).process,
        encoding=None,
        reuse_address=True,
    )
    sys.stdout.write(f"{listener.get_port()}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
