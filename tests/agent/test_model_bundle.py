"""A bundle is believed only when a trusted key signed exactly its bytes."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.errors import ModelError
from agent.model_bundle import load_bundle
from contract.model_bundle import (
    CARD,
    MANIFEST,
    METADATA,
    MODEL,
    NOVELTY,
    SIGNATURE,
    SIGNED_FILES,
    TREES,
)
from model_training.bundle import public_pem, sign_bundle
from tests.tiny_forests import opinion
from tests.tiny_models import bundle, metadata

KEY = Ed25519PrivateKey.from_private_bytes(b"edgewarden edgewarden edgewarden")


@pytest.fixture
def signed(tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / MODEL).write_bytes(bundle().model)
    (folder / TREES).write_bytes(bundle().trees)
    (folder / METADATA).write_bytes(msgspec.json.encode(bundle().metadata))
    (folder / CARD).write_text("# A tiny model\n")
    sign_bundle(folder, "tiny", KEY)
    return folder


@pytest.fixture
def trusted(tmp_path):
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "maker.pem").write_bytes(public_pem(KEY))
    return folder


def test_a_bundle_signed_by_a_trusted_key_is_loaded(signed, trusted):
    loaded = load_bundle(signed, trusted)
    assert loaded.metadata == bundle().metadata
    assert loaded.model == bundle().model
    assert loaded.trees == bundle().trees


def test_a_bundle_of_a_stranger_is_refused(signed):
    with pytest.raises(ModelError, match="not signed by a trusted key"):
        load_bundle(signed)


@pytest.mark.parametrize("name", SIGNED_FILES)
def test_a_single_altered_byte_is_noticed(signed, trusted, name):
    content = bytearray((signed / name).read_bytes())
    content[len(content) // 2] ^= 1
    (signed / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name}: altered since it was signed"):
        load_bundle(signed, trusted)


@pytest.mark.parametrize("name", [MANIFEST, SIGNATURE])
def test_what_vouches_for_the_rest_cannot_be_altered_either(signed, trusted, name):
    content = bytearray((signed / name).read_bytes())
    content[len(content) // 2] ^= 1
    (signed / name).write_bytes(content)
    with pytest.raises(ModelError, match="not signed"):
        load_bundle(signed, trusted)


@pytest.mark.parametrize("name", [*SIGNED_FILES, MANIFEST, SIGNATURE])
def test_a_missing_file_is_named_in_one_line(signed, trusted, name):
    (signed / name).unlink()
    with pytest.raises(ModelError, match=f"{name}: No such file or directory") as refusal:
        load_bundle(signed, trusted)
    assert "\n" not in str(refusal.value)


def test_a_bundle_whose_parts_belong_to_different_models_is_refused(signed, trusted):
    (signed / METADATA).write_bytes(msgspec.json.encode(metadata(model_id="other")))
    sign_bundle(signed, "tiny", KEY)
    with pytest.raises(ModelError, match="name different models"):
        load_bundle(signed, trusted)


def test_a_signed_bundle_with_unreadable_metadata_is_refused(signed, trusted):
    (signed / METADATA).write_text('{"model_id": "tiny"}')
    sign_bundle(signed, "tiny", KEY)
    with pytest.raises(ModelError, match="missing required field"):
        load_bundle(signed, trusted)


def test_a_trusted_keys_folder_that_holds_something_else_is_told(signed, trusted):
    (trusted / "broken.pem").write_text("not a key")
    with pytest.raises(ModelError, match=r"broken\.pem: no public key"):
        load_bundle(signed, trusted)
    other = generate_private_key(SECP256R1()).public_key()
    pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (trusted / "broken.pem").write_bytes(pem)
    with pytest.raises(ModelError, match=r"broken\.pem: not an Ed25519 key"):
        load_bundle(signed, trusted)


def test_a_second_opinion_is_signed_with_the_rest(signed, trusted):
    assert load_bundle(signed, trusted).novelty is None
    (signed / NOVELTY).write_bytes(opinion())
    sign_bundle(signed, "tiny", KEY)
    assert load_bundle(signed, trusted).novelty == opinion()


def test_a_second_opinion_that_nobody_signed_is_nobodys(signed, trusted):
    (signed / NOVELTY).write_bytes(opinion())
    assert load_bundle(signed, trusted).novelty is None


def test_a_second_opinion_that_was_altered_or_taken_away_is_noticed(signed, trusted):
    (signed / NOVELTY).write_bytes(opinion())
    sign_bundle(signed, "tiny", KEY)
    (signed / NOVELTY).write_bytes(opinion(threshold=0.0))
    with pytest.raises(ModelError, match=f"{NOVELTY}: altered since it was signed"):
        load_bundle(signed, trusted)
    (signed / NOVELTY).unlink()
    with pytest.raises(ModelError, match=f"{NOVELTY}: is missing"):
        load_bundle(signed, trusted)
