"""The library behind the program `nft`, in this process: no program is started for a transaction."""

import ctypes
from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from agent.errors import IsolationError
from agent.isolation.programs import MAX_WHY_CHARACTERS, parsed

LIBRARY: Final = "libnftables.so.1"
FIX: Final = "apt install nftables"  # which depends on it
_JSON: Final = 1 << 4  # NFT_CTX_OUTPUT_JSON


class Nftables(Protocol):
    """Who carries out commands of nftables."""

    def run(self, commands: Sequence[dict[str, Any]] | str) -> Any:  # noqa: ANN401
        """Carry out commands as libnftables-json(5) or, as text, nft(8) has them, all or none.

        Returns:
            What was listed; an empty list if nothing was.

        Raises:
            IsolationError: The kernel refused, or there is no such library.
        """
        ...


class NftLibrary:
    """Asks the kernel by libnftables, within a millisecond; the program takes several to start.

    Every call waits for the kernel. One context is kept, as `nft -i` keeps it: it sees by the
    ruleset's generation when others have changed something.
    """

    def __init__(self) -> None:
        self._library: ctypes.CDLL | None = None
        self._context: int | None = None

    def run(self, commands: Sequence[dict[str, Any]] | str) -> Any:  # noqa: ANN401
        """Carry out commands, all or none; return what was listed."""
        library = self._opened()
        if isinstance(commands, str):
            document = commands.encode()  # what is no JSON the library reads as text
        else:
            document = msgspec.json.encode({"nftables": commands})
        failed = library.nft_run_cmd_from_buffer(self._context, document)
        printed = library.nft_ctx_get_output_buffer(self._context)
        why = library.nft_ctx_get_error_buffer(self._context)
        if failed:
            self.close()  # whatever state it is in
            message = f"nft: {why.decode(errors='replace').strip()[:MAX_WHY_CHARACTERS]}"
            raise IsolationError(message)
        return parsed(printed)

    def close(self) -> None:
        """Give back what the library holds; the next call opens it again."""
        if self._library is not None and self._context is not None:
            self._library.nft_ctx_free(self._context)
        self._context = None

    def _opened(self) -> ctypes.CDLL:
        if self._library is None:
            self._library = load_library()
        if self._context is None:
            context = self._library.nft_ctx_new(0)
            if not context:
                message = "nft: no context: is there memory?"
                raise IsolationError(message)
            self._library.nft_ctx_output_set_flags(context, _JSON)
            self._library.nft_ctx_buffer_output(context)
            self._library.nft_ctx_buffer_error(context)
            self._context = context
        return self._library


def load_library() -> ctypes.CDLL:
    """Return the library.

    Raises:
        IsolationError: It is not on this machine.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        message = str(error)
        raise IsolationError(message) from error
    context = ctypes.c_void_p
    for name, result, arguments in (
        ("nft_ctx_new", context, [ctypes.c_uint32]),
        ("nft_ctx_free", None, [context]),
        ("nft_ctx_output_set_flags", None, [context, ctypes.c_uint]),
        ("nft_ctx_buffer_output", ctypes.c_int, [context]),
        ("nft_ctx_buffer_error", ctypes.c_int, [context]),
        ("nft_run_cmd_from_buffer", ctypes.c_int, [context, ctypes.c_char_p]),
        ("nft_ctx_get_output_buffer", ctypes.c_char_p, [context]),
        ("nft_ctx_get_error_buffer", ctypes.c_char_p, [context]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
