"""Whatever arrives, the contract answers with a value of ours or with the one error it names."""

import re

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract import codec, topics
from contract.codec import CodecError
from contract.identifiers import IP_PATTERN, MAC_PATTERN, NAME_PATTERN, fit
from contract.messages import Envelope, Receipt
from contract.topics import TopicError
from tests.contract.examples import BOOT, MESSAGES, everything

DECODERS = [
    codec.decode_envelope,
    codec.decode_header,
    codec.decode_order,
    codec.decode_signed_order,
    codec.decode_receipt,
]
NESTED = b"\x91" * 200_000
BROKEN_TEXT = b"\x94\xa1\xff\x01\x01\xc0"

samples = sorted(codec.encode(value) for value in everything().values())


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Bytes of a real message with a few of them changed, taken away or put in."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(data)


@given(st.one_of(st.binary(max_size=400), damaged()))
@example(NESTED)
@example(BROKEN_TEXT)
@example(b"")
@pytest.mark.parametrize("decode", DECODERS)
def test_any_bytes_are_a_value_of_ours_or_a_codec_error(decode, data):
    try:
        value = decode(data)
    except CodecError:
        return
    assert isinstance(value, msgspec.Struct)


ADDRESSES = st.from_regex(r"[0-9a-f:.\n]{0,46}|([0-9a-f]{2}:){5}[0-9a-f]{2}\n?", fullmatch=True)


@given(
    st.lists(st.one_of(ADDRESSES, st.none(), st.text(max_size=5)), max_size=4),
    st.sampled_from([IP_PATTERN, MAC_PATTERN]),
)
@example(["02:00:00:00:00:07", None, "02:00:00:00:00:08"], MAC_PATTERN)
@example(["192.168.1.7\n192.168.1.8"], IP_PATTERN)
@example(["192.168.1.7", "192.168.1.8\n"], IP_PATTERN)
@example([""], IP_PATTERN)
def test_a_column_fits_where_every_text_of_it_does(texts, pattern):
    one_by_one = all(re.search(pattern, text) for text in texts if text is not None)
    assert fit(pattern, texts) == one_by_one


@given(damaged())
def test_what_can_be_decoded_can_be_encoded_and_is_the_same(data):
    try:
        envelope = codec.decode_envelope(data)
    except CodecError:
        return
    again = codec.encode(envelope)
    assert codec.encode(codec.decode_envelope(again)) == again


@pytest.mark.parametrize(
    ("decode", "limit"),
    [
        (codec.decode_envelope, codec.MAX_MESSAGE_BYTES),
        (codec.decode_header, codec.MAX_MESSAGE_BYTES),
        (codec.decode_order, codec.MAX_COMMAND_BYTES),
        (codec.decode_signed_order, codec.MAX_COMMAND_BYTES),
        (codec.decode_receipt, codec.MAX_COMMAND_BYTES),
    ],
)
def test_what_is_larger_than_the_limit_is_not_even_looked_at(decode, limit):
    with pytest.raises(CodecError, match=f"over the limit of {limit}"):
        decode(bytes(limit + 1))
    with pytest.raises(CodecError, match="not a message of ours"):
        decode(bytes(limit))


def test_a_message_that_is_too_large_is_refused_by_the_sender():
    batch = msgspec.structs.replace(
        MESSAGES["verdict_batch"], scores=bytes(codec.MAX_MESSAGE_BYTES)
    )
    with pytest.raises(CodecError, match="Envelope of"):
        codec.encode(Envelope(boot=BOOT, seq=1, floor=1, message=batch))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("alert", {"host": "somebody"}),
        ("alert", {"alert_id": "A" * 32}),
        ("alert", {"confidence": 1.5}),
        ("alert", {"confidence": float("nan")}),
        ("alert", {"src_mac": "02-00-00-00-00-0b"}),
        ("alert", {"opened_ns": -1}),
        ("alert", {"opened_ns": 2**63}),
        ("alert", {"model_id": "../../etc/passwd"}),
        ("isolation", {"isolated_port": "lan2\n"}),
        ("isolation", {"isolated_port": "x" * 16}),
        ("health", {"dropped": {"reason": -1}}),
        ("health", {"dropped": {f"reason {n}": 1 for n in range(300)}}),
        ("packet_sample", {"dst_port": 65_536}),
        ("verdict_batch", {"host": ["02:00:00:00:00:0b"] * 1001}),
    ],
)
def test_values_out_of_their_bounds_do_not_come_in(name, changes):
    message = msgspec.structs.replace(MESSAGES[name], **changes)
    data = codec.encode(Envelope(boot=BOOT, seq=1, floor=1, message=message))
    with pytest.raises(CodecError):
        codec.decode_envelope(data)


@pytest.mark.parametrize("changes", [{"boot": "x"}, {"seq": 0}, {"floor": 0}, {"seq": 2**63}])
def test_numbers_out_of_their_bounds_do_not_come_in(changes):
    envelope = Envelope(boot=BOOT, seq=1, floor=1, message=MESSAGES["health"])
    data = codec.encode(msgspec.structs.replace(envelope, **changes))
    for decode in (codec.decode_envelope, codec.decode_header):
        with pytest.raises(CodecError):
            decode(data)


def test_a_receipt_for_nothing_is_a_receipt():
    assert codec.decode_receipt(codec.encode(Receipt(boot=BOOT, upto=0))).upto == 0


names = st.from_regex(NAME_PATTERN, fullmatch=True)
leaves = st.sampled_from(sorted(topics.LEAVES.values()))


@given(
    st.one_of(
        st.text(max_size=300),
        st.builds("edgewarden/v1/{}/{}/{}".format, st.text(max_size=80), names, leaves),
        st.builds("edgewarden/v1/{}/{}/{}".format, names, st.text(max_size=80), leaves),
        st.builds("edgewarden/v1/{}/{}/{}".format, names, names, st.text(max_size=20)),
    )
)
def test_any_topic_is_one_of_a_device_or_a_topic_error(topic):
    try:
        found = topics.parse(topic)
    except TopicError:
        return
    assert topic == f"edgewarden/v1/{found.organization}/{found.device_id}/{found.leaf}"


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_the_topic_of_every_message_is_read_back(message):
    topic = topics.topic_for(message, "default", "pi-1")
    assert topics.parse(topic) == topics.DeviceTopic(
        "default", "pi-1", topics.LEAVES[type(message)]
    )


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "edgewarden/v2/default/pi-1/health",
        "edgewarden/v1/default/pi-1/commands",
        "edgewarden/v1/default/pi-1/receipts",
        "edgewarden/v1/default/pi-1/health/",
        "edgewarden/v1/default/pi-1\n/health",
        "edgewarden/v1/DEFAULT/pi-1/health",
        "edgewarden/v1/+/#/health",
        "$SYS/broker/clients/total",
        "edgewarden/v1/default/pi-1/" + "x" * 300,
    ],
)
def test_topics_of_others_are_none_of_ours(topic):
    with pytest.raises(TopicError):
        topics.parse(topic)
