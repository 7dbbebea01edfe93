"""Bytes on the wire and back: the only place that knows the encoding (MessagePack)."""

from typing import TypeVar

import msgspec

from contract.commands import Order, SignedOrder
from contract.messages import Envelope, Header, Receipt

MAX_MESSAGE_BYTES = 256 * 1024
MAX_COMMAND_BYTES = 32 * 1024

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_envelope = msgspec.msgpack.Decoder(Envelope)
_header = msgspec.msgpack.Decoder(Header)
_order = msgspec.msgpack.Decoder(Order)
_signed_order = msgspec.msgpack.Decoder(SignedOrder)
_receipt = msgspec.msgpack.Decoder(Receipt)


class CodecError(ValueError):
    """Bytes are not a message of ours, or a message is too large for the wire."""


def encode(value: Envelope | Order | SignedOrder | Receipt) -> bytes:
    """Return the bytes of a value.

    Raises:
        CodecError: The value is larger than the wire allows.
    """
    data = _encoder.encode(value)
    limit = MAX_MESSAGE_BYTES if isinstance(value, Envelope) else MAX_COMMAND_BYTES
    if len(data) > limit:
        message = f"{type(value).__name__} of {len(data)} bytes is over the limit of {limit}"
        raise CodecError(message)
    return data


def decode_envelope(data: bytes) -> Envelope:
    """Return the envelope in some bytes.

    Raises:
        CodecError: The bytes are none, or too many.
    """
    return _decode(_envelope, data, MAX_MESSAGE_BYTES)


def decode_header(data: bytes) -> Header:
    """Return the number of an envelope, whatever message it carries.

    Raises:
        CodecError: The bytes are none, or too many.
    """
    return _decode(_header, data, MAX_MESSAGE_BYTES)


def decode_order(data: bytes) -> Order:
    """Return the order in some bytes whose signature was checked.

    Raises:
        CodecError: The bytes are none, or too many.
    """
    return _decode(_order, data, MAX_COMMAND_BYTES)


def decode_signed_order(data: bytes) -> SignedOrder:
    """Return the signed order in some bytes.

    Raises:
        CodecError: The bytes are none, or too many.
    """
    return _decode(_signed_order, data, MAX_COMMAND_BYTES)


def decode_receipt(data: bytes) -> Receipt:
    """Return the receipt in some bytes.

    Raises:
        CodecError: The bytes are none, or too many.
    """
    return _decode(_receipt, data, MAX_COMMAND_BYTES)


def _decode(decoder: msgspec.msgpack.Decoder[T], data: bytes, limit: int) -> T:
    if len(data) > limit:
        message = f"{len(data)} bytes are over the limit of {limit}"
        raise CodecError(message)
    try:
        return decoder.decode(data)
    # A deeply nested payload exhausts the decoder's stack; a broken string is a UnicodeDecodeError.
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        message = f"not a message of ours: {error}"
        raise CodecError(message) from error
