"""A verified bundle becomes the one that the package ships."""

import shutil
from pathlib import Path
from typing import Final

from agent.model_bundle import DEFAULT_BUNDLE, SHIPPED_KEYS, load_bundle
from contract.identifiers import ModelId
from contract.model_bundle import (
    MANIFEST,
    MODEL,
    NOVELTY,
    OPTIONAL_FILES,
    SIGNATURE,
    SIGNED_FILES,
    TREES,
)
from model_training.captures import sha256_of
from model_training.errors import StepError
from model_training.runs import Run
from model_training.verify import Verification

DOCS: Final = Path(__file__).parent.parent / "docs"
PUBLIC_KEY: Final = "signer.pem"


def require_verified(run: Run) -> Verification:
    """Return the proof that a run's exported model is the trained one.

    Raises:
        StepError: It was not verified, or was exported again since.
    """
    proof = run.read(run.verification, Verification, "verify")
    if (proof.model_sha256, proof.trees_sha256, proof.novelty_sha256) != digests(run):
        message = f"{run.bundle}: not the files that were verified; run `edgewarden-train verify`"
        raise StepError(message)
    return proof


def digests(run: Run) -> tuple[str, str, str]:
    """Return the fingerprints of a run's exported model, trees and second opinion, if there is one."""
    novelty = run.bundle / NOVELTY
    return (
        sha256_of(run.bundle / MODEL),
        sha256_of(run.bundle / TREES),
        sha256_of(novelty) if novelty.exists() else "",
    )


def promote(
    run: Run, bundle: Path = DEFAULT_BUNDLE, keys: Path = SHIPPED_KEYS, docs: Path = DOCS
) -> ModelId:
    """Copy a run's bundle and its signer's public key to where agents find them, its report to the docs.

    Returns:
        The model that agents will judge with from now on.

    Raises:
        StepError: The bundle was not verified.
        ModelError: The bundle is not signed as it stands.
    """
    require_verified(run)
    signer = run.folder / "signer"
    model_id = load_bundle(run.bundle, signer).metadata.model_id
    bundle.mkdir(parents=True, exist_ok=True)
    for name in (*SIGNED_FILES, MANIFEST, SIGNATURE):
        shutil.copyfile(run.bundle / name, bundle / name)
    for name in OPTIONAL_FILES:
        (bundle / name).unlink(missing_ok=True)  # of the bundle before
        if (run.bundle / name).exists():
            shutil.copyfile(run.bundle / name, bundle / name)
    keys.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(signer / PUBLIC_KEY, keys / "default.pem")
    if run.report.is_dir():
        shutil.copytree(run.report, docs, dirs_exist_ok=True)
    return model_id
