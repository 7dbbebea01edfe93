"""TLS as a client speaks it: nothing below 1.2, whoever is at the other end."""

import ssl
from pathlib import Path

from cryptography import x509

from runtime.credentials import unreadable
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
    files = [path for path in (ca_file, cert_file, key_file) if path]
    for path in files:
        _require_readable(path, whose)
    try:
        context = ssl.create_default_context(cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if cert_file is not None:
            context.load_cert_chain(cert_file, key_file)
    except OSError as error:  # ssl.SSLError is one
        message = f"TLS files of {whose} ({', '.join(map(str, files))}): {error}"
        raise ConfigError(message) from error
    return context


def common_name(cert_file: Path) -> str:
    """Return whose certificate a PEM file is; empty: it names nobody.

    Raises:
        ConfigError: It is no certificate, or cannot be read.
    """
    try:
        subject = x509.load_pem_x509_certificate(cert_file.read_bytes()).subject
    except OSError as error:
        raise ConfigError(unreadable(cert_file, error)) from error
    except ValueError as error:
        message = f"{cert_file}: no certificate: {error}"
        raise ConfigError(message) from error
    names = subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _require_readable(path: Path, whose: str) -> None:
    # OpenSSL does not say which of its files it could not read.
    try:
        path.open("rb").close()
    except OSError as error:
        message = f"TLS file of {whose}: {unreadable(path, error)}"
        raise ConfigError(message) from error
