"""A model bundle on disk: the model, its trees, what it says of itself, and a signature over all."""

from pathlib import Path
from typing import Final

MODEL: Final = "model.onnx"
TREES: Final = "trees.npz"  # what the explanation needs; ONNX does not carry the covers
METADATA: Final = "metadata.json"
CARD: Final = "card.md"
MANIFEST: Final = "manifest.json"  # sha256 of every other file
SIGNATURE: Final = "manifest.sig"  # Ed25519 over the manifest's bytes

DEFAULT_BUNDLE: Final = Path(__file__).parent / "models" / "default"
