"""TLS as a client speaks it: nothing below 1.2, whoever is at the other end."""

import ssl
from pathlib import Path

from runtime.errors import ConfigError


def client_context(
    ca_file: Path | None,
    cert_file: Path | None = None,
    key_file: Path | None = None,
    *,
    whose: str,
) -> ssl.SSLContext:
    """Return what a connection is made with.

    Args:
        ca_file: Who vouches for the other end; None: the system's authorities.
        cert_file: What we show of ourselves, if anything.
        key_file: The key to it; None: it is in the same file.
        whose: What the files are for, in errors.

    Raises:
        ConfigError: A file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if cert_file is not None:
            context.load_cert_chain(cert_file, key_file)
    except OSError as error:  # ssl.SSLError is one
        files = [str(path) for path in (ca_file, cert_file, key_file) if path]
        message = f"TLS files of {whose} ({', '.join(files)}): {error}"
        raise ConfigError(message) from error
    return context
