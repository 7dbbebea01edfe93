"""nftables of another network namespace: the same library, run by a process that lives there."""

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from agent.errors import IsolationError
from agent.isolation.nft_library import NftLibrary


class NftThere:
    """Has commands carried out where the prefix leads; one line of JSON each way."""

    def __init__(self, prefix: Sequence[str]) -> None:
        command = [*prefix, sys.executable, "-m", "tests.agent.isolation.nft_there"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe)

    def run(self, commands: Sequence[dict[str, Any]] | str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(commands) + b"\n")
        self._process.stdin.flush()
        listed, why = msgspec.json.decode(self._process.stdout.readline())
        if why:
            raise IsolationError(why)
        return listed

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0


def main() -> None:
    library = NftLibrary()
    for line in sys.stdin.buffer:
        listed, why = None, ""
        try:
            listed = library.run(msgspec.json.decode(line))
        except IsolationError as error:
            why = str(error)
        sys.stdout.buffer.write(msgspec.json.encode((listed, why)) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
