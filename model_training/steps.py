"""The steps from captures to a bundle; each leaves its result in the run's folder."""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import track

from agent.baselines import CALM
from agent.novelty import matters
from agent.records import F32, I64
from contract.attacks import CLASSES, Label
from contract.features import FEATURE_COUNT, WINDOW_S, feature_schema_id
from contract.identifiers import ModelId
from contract.model_bundle import CARD, METADATA, MODEL, NOVELTY, TREES
from contract.model_metadata import ModelMetadata, NoveltyMetadata
from model_training.ablation import ablate
from model_training.baseline import limit_scores
from model_training.bundle import public_pem, read_or_create_key, sign_bundle
from model_training.calibration import calibrations
from model_training.captures import Capture, Split, read_captures
from model_training.dataset import Dataset, load_dataset, part
from model_training.errors import ManifestError, StepError
from model_training.evaluate import Bought, Evaluation, Judgement, judge
from model_training.evidence import as_told
from model_training.export import to_onnx, to_trees
from model_training.fit import cross_fit, fit, hold_out, load_booster, predict
from model_training.histories import deviating
from model_training.kitsune import kitsune_scores
from model_training.labels import UNKNOWN
from model_training.model_card import write_card
from model_training.novelty import (
    SecondOpinion,
    columns,
    fit_forest,
    forest_to_onnx,
    held_out_novelty,
    judge_novelty,
    novelty,
    usable,
    with_metadata,
)
from model_training.params import DataParams, read_params
from model_training.peers import Peers, compare
from model_training.promote import PUBLIC_KEY, digests, require_verified
from model_training.report import write_report
from model_training.runs import Record, Run, describe_run, write_json
from model_training.split import Fold, judged, tool_folds
from model_training.thresholds import choose
from model_training.verify import Verification, verify

LEARNED: tuple[Split, ...] = ("train",)
_CERTAIN: dict[Label, float] = dict.fromkeys(CLASSES[1:], 0.5)
KEPT_BACK: tuple[Split, ...] = ("validation",)


class Place(msgspec.Struct, frozen=True):
    """Where a run finds its captures and keeps what it has observed."""

    folders: list[Path]
    cache: Path

    def captures(self, splits: tuple[Split, ...]) -> list[Capture]:
        """Return the captures of some splits; at least one.

        Raises:
            ManifestError: There are none, or a manifest is wrong.
        """
        found = read_captures(self.folders, splits)
        if not found:
            message = f"no captures for {' and '.join(splits)} in {self.folders}"
            raise ManifestError(message)
        return found

    def dataset(self, splits: tuple[Split, ...], origins: dict[str, str]) -> Dataset:
        """Return the labelled observations of the captures of some splits."""
        return load_dataset(_with_progress(self.captures(splits)), self.cache, origins)


def _with_progress(captures: list[Capture]) -> Iterable[Capture]:
    console = Console(stderr=True)  # stdout is for results
    return track(captures, "Observing", console=console, disable=not console.is_terminal)


def take_fit(place: Place, run: Run, params_path: Path) -> int:
    """Train; return the number of rounds that held-out origins asked for."""
    params = read_params(params_path)
    run.folder.mkdir(parents=True, exist_ok=True)
    for earlier in (run.tools, run.ablation, run.forest, run.novelty):  # of the fit before
        earlier.unlink(missing_ok=True)
    if params_path.resolve() != run.params.resolve():
        shutil.copyfile(params_path, run.params)
    write_json(run.record, describe_run(place.captures((*LEARNED, *KEPT_BACK))))
    dataset = place.dataset(LEARNED, params.data.origins)
    crossed = cross_fit(dataset, params)
    np.savez_compressed(
        run.held_out, rounds=crossed.rounds, loss=crossed.loss, scores=crossed.scores
    )
    rows = np.flatnonzero(dataset.label != UNKNOWN)
    fit(dataset, rows, crossed.rounds, params).save_model(run.booster)
    return crossed.rounds


def take_tools(place: Place, run: Run) -> list[str]:
    """Hold out each tool once; return the tools."""
    params = run.read_params()
    run.read(run.record, Record, "fit")
    dataset = place.dataset(LEARNED, params.data.origins)
    parts = list(tool_folds(dataset, params.data.helpers))
    scores = hold_out(dataset, _fold_by_fold(parts, "Tools"), _rounds(run), params)
    np.savez_compressed(run.tools, scores=scores)
    return [fold.name for fold in parts]


def take_ablation(place: Place, run: Run) -> list[Bought]:
    """Train without each family of features once, and judge it on origins that were held out."""
    params = run.read_params()
    run.read(run.record, Record, "fit")
    dataset = place.dataset(LEARNED, params.data.origins)
    bought = ablate(dataset, _rounds(run), params, _fold_by_fold)
    write_json(run.ablation, bought)
    return bought


def take_novelty(place: Place, run: Run) -> int:
    """Fit the second opinion, and hold out each origin once.

    Returns:
        How many windows are of hosts whose usual behaviour is known; 0 where there is no second
        opinion, since nothing asks for one or nobody is known for long enough.
    """
    params = run.read_params()
    run.read(run.record, Record, "fit")
    for earlier in (run.forest, run.novelty):
        earlier.unlink(missing_ok=True)
    if params.novelty is None:
        return 0
    captures = _judged_captures(place, params.data)
    dataset = place.dataset(LEARNED, params.data.origins)
    rows = judged(dataset, params.data.helpers)
    with np.load(run.held_out, allow_pickle=False) as arrays:
        scores = arrays["scores"][rows]
    dataset = part(dataset, rows)
    told = as_told(scores, dataset.features, params.evidence, params.limits)
    far_of = columns(params.novelty)
    known = deviating(captures, place.cache, told[:, 0] >= CALM, far_of)
    if not usable(dataset, known):
        return 0
    forest = fit_forest(dataset, known, None, params.novelty, params.seed)
    asked = known.far[matters(known.far)]
    np.savez_compressed(
        run.novelty,
        known=known.rows,
        held_out=held_out_novelty(dataset, known, params.novelty, params.seed),
        far=asked,
        said=novelty(forest, asked),
    )
    run.forest.write_bytes(forest_to_onnx(forest, len(far_of)))
    return len(known.rows)


def _judged_captures(place: Place, params: DataParams) -> list[Capture]:
    """Return the captures that are judged: those of no helper."""
    return [
        capture
        for capture in place.captures(LEARNED)
        if params.origins.get(capture.entry.origin.name, capture.entry.origin.name)
        not in params.helpers
    ]


def take_peers(place: Place, run: Run, kitsune: Path) -> int:
    """Let Kitsune judge the captures that are judged; return of how many it could learn."""
    params = run.read_params()
    run.read(run.record, Record, "fit")
    captures = _judged_captures(place, params.data)
    scores = list(kitsune_scores(_with_progress(captures), place.cache, kitsune))
    np.savez_compressed(run.kitsune, scores=np.concatenate(scores))
    return sum(bool(np.isfinite(one).any()) for one in scores)


def _rounds(run: Run) -> int:
    with np.load(run.held_out, allow_pickle=False) as arrays:
        return int(arrays["rounds"])


def _fold_by_fold(parts: list[Fold], title: str) -> Iterable[Fold]:
    console = Console(stderr=True)
    return track(parts, title, console=console, disable=not console.is_terminal)


def take_evaluate(place: Place, run: Run) -> Evaluation:
    """Choose thresholds and judge held-out origins and the validation captures."""
    params = run.read_params()
    run.read(run.record, Record, "fit")
    dataset = place.dataset(LEARNED, params.data.origins)
    with np.load(run.held_out, allow_pickle=False) as arrays:
        rounds, scores = int(arrays["rounds"]), arrays["scores"]
    rows = judged(dataset, params.data.helpers)
    dataset = part(dataset, rows)
    scores = as_told(scores[rows], dataset.features, params.evidence, params.limits)
    thresholds = choose(dataset, scores, params.thresholds)
    tools = _judge_tools(dataset, run, rows, thresholds)
    kept_back = place.dataset(KEPT_BACK, params.data.origins)
    by_model = predict(load_booster(run.booster), kept_back.features)
    by_model = as_told(by_model, kept_back.features, params.evidence, params.limits)
    evaluation = Evaluation(
        rounds=rounds,
        thresholds=thresholds,
        held_out=judge(dataset, scores, thresholds),
        baseline=judge(dataset, limit_scores(dataset.features), _CERTAIN),
        validation=judge(kept_back, by_model, thresholds),
        tools=tools,
        calibration=calibrations(dataset, scores),
        second_opinion=_judge_novelty(dataset, run, scores, thresholds),
        peers=_compare(dataset, run, scores, thresholds),
        ablation=run.read(run.ablation, list[Bought], "ablate") if run.ablation.exists() else [],
    )
    write_json(run.evaluation, evaluation)
    write_report(evaluation, run.report)
    return evaluation


def _judge_novelty(
    dataset: Dataset, run: Run, scores: F32, thresholds: dict[Label, float]
) -> SecondOpinion | None:
    params = run.read_params().novelty
    if params is None or not run.novelty.exists():
        return None
    with np.load(run.novelty, allow_pickle=False) as arrays:
        said = arrays["held_out"], arrays["known"]
    return judge_novelty(dataset, scores, thresholds, said, params)


def _compare(
    dataset: Dataset, run: Run, scores: F32, thresholds: dict[Label, float]
) -> Peers | None:
    if not run.kitsune.exists():
        return None
    with np.load(run.kitsune, allow_pickle=False) as arrays:
        kitsune = arrays["scores"]
    if len(kitsune) != len(dataset):
        message = f"{run.kitsune}: of other captures; run `edgewarden-train peers` again"
        raise StepError(message)
    return compare(dataset, kitsune, scores, thresholds, run.read_params().thresholds)


def _judge_tools(
    dataset: Dataset, run: Run, rows: I64, thresholds: dict[Label, float]
) -> Judgement | None:
    """Judge what was held out by tool, where that step was taken.

    Args:
        dataset: The judged observations.
        run: With the scores of all observations.
        rows: Which of all they are.
        thresholds: Of the attack classes.
    """
    if not run.tools.exists():
        return None
    with np.load(run.tools, allow_pickle=False) as arrays:
        scores = arrays["scores"][rows]
    mine = np.flatnonzero([bool(dataset.tools[scene]) for scene in dataset.scene.tolist()])
    dataset = part(dataset, mine)
    params = run.read_params()
    scores = as_told(scores[mine], dataset.features, params.evidence, params.limits)
    return judge(dataset, scores, thresholds)


def take_export(place: Place, run: Run) -> ModelMetadata:
    """Write model, trees, metadata and card."""
    evaluation = run.read(run.evaluation, Evaluation, "evaluate")
    record = run.read(run.record, Record, "fit")
    booster = load_booster(run.booster)
    metadata = _describe(run, record, evaluation.thresholds)
    dataset = place.dataset(LEARNED, run.read_params().data.origins)
    run.bundle.mkdir(exist_ok=True)
    (run.bundle / MODEL).write_bytes(to_onnx(booster, metadata))
    (run.bundle / TREES).write_bytes(to_trees(booster))
    write_json(run.bundle / METADATA, metadata)
    (run.bundle / NOVELTY).unlink(missing_ok=True)
    params = run.read_params().novelty
    if evaluation.second_opinion is not None and params is not None:
        said = NoveltyMetadata(
            model_id=metadata.model_id,
            feature_schema_id=metadata.feature_schema_id,
            features=params.features,
            threshold=evaluation.second_opinion.threshold,
        )
        (run.bundle / NOVELTY).write_bytes(with_metadata(run.forest.read_bytes(), said))
    (run.bundle / CARD).write_text(write_card(metadata, record, evaluation, dataset))
    return metadata


def _describe(run: Run, record: Record, thresholds: dict[Label, float]) -> ModelMetadata:
    content = hashlib.sha256(run.booster.read_bytes()).hexdigest()
    return ModelMetadata(
        model_id=f"{run.name}-{content[:8]}",
        feature_schema_id=feature_schema_id(),
        feature_count=FEATURE_COUNT,
        window_s=float(WINDOW_S),
        classes=list(CLASSES),
        thresholds=thresholds,
        evidence=run.read_params().evidence,
        limits=run.read_params().limits,
        training_data_sha256=record.data_sha256,
        trained_ns=record.started_ns,
    )


def take_verify(place: Place, run: Run) -> Verification:
    """Prove that the exported model is the trained one, on every row that there is."""
    origins = run.read_params().data.origins
    dataset = place.dataset((*LEARNED, *KEPT_BACK), origins)
    booster, bundle = load_booster(run.booster), run.read_bundle()
    proof = verify(booster, bundle, dataset.features, digests(run), _said_by_forest(run))
    write_json(run.verification, proof)
    return proof


def _said_by_forest(run: Run) -> tuple[F32, F32] | None:
    """Return rows of deviations that the fitted forest was asked about, and what it said."""
    if not run.novelty.exists():
        return None
    with np.load(run.novelty, allow_pickle=False) as arrays:
        return arrays["far"], arrays["said"]


def take_bundle(run: Run, key_path: Path) -> ModelId:
    """Sign the verified bundle."""
    require_verified(run)
    key = read_or_create_key(key_path)
    model_id = run.read_bundle().metadata.model_id
    sign_bundle(run.bundle, model_id, key)
    signer = run.folder / "signer"
    signer.mkdir(exist_ok=True)
    (signer / PUBLIC_KEY).write_bytes(public_pem(key))
    return model_id
