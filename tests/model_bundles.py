"""Signed bundles as they travel, of whatever bytes are to be the model."""

import io
import tarfile
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract.attacks import CLASSES
from contract.features import FEATURE_COUNT, WINDOW_S, feature_schema_id
from contract.model_bundle import CARD, METADATA, MODEL, TREES
from contract.model_metadata import ModelMetadata
from model_training.bundle import public_pem, sign_bundle

MAKER = Ed25519PrivateKey.from_private_bytes(b"edgewarden edgewarden edgewarden")
STRANGER = Ed25519PrivateKey.from_private_bytes(b"a stranger, a stranger, a strang")


def trusting(folder: Path) -> Path:
    """Make a folder of keys that trusts MAKER alone."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "maker.pem").write_bytes(public_pem(MAKER))
    return folder


def told(model_id: str, **changes: object) -> ModelMetadata:
    """Return what a model of this version says of itself."""
    said = {
        "model_id": model_id,
        "feature_schema_id": feature_schema_id(),
        "feature_count": FEATURE_COUNT,
        "window_s": float(WINDOW_S),
        "classes": list(CLASSES),
        "thresholds": dict.fromkeys(CLASSES[1:], 0.5),
        "training_data_sha256": "0" * 64,
        "trained_ns": 1_763_800_000_000_000_000,
    }
    return msgspec.convert(said | changes, ModelMetadata)


def write_bundle(
    folder: Path,
    metadata: ModelMetadata,
    key: Ed25519PrivateKey = MAKER,
    *,
    model: bytes = b"onnx",
    trees: bytes = b"npz",
) -> Path:
    """Write a signed bundle into a new folder, and return that."""
    folder.mkdir(parents=True)
    (folder / MODEL).write_bytes(model)
    (folder / TREES).write_bytes(trees)
    (folder / METADATA).write_bytes(msgspec.json.encode(metadata))
    (folder / CARD).write_text(f"# {metadata.model_id}\n\nFor tests.\n")
    sign_bundle(folder, metadata.model_id, key)
    return folder


def tar_of(folder: Path) -> bytes:
    """Return a bundle as it travels, as `tar -C folder -cf - .` makes it."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        tar.add(folder, ".")
    return target.getvalue()
