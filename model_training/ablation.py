"""What each family of features buys: the same training without it, on origins that are held out."""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from contract.features import FEATURES
from model_training.dataset import Dataset, part
from model_training.evaluate import Bought, Judgement, is_own, judge
from model_training.evidence import as_told
from model_training.fit import hold_out
from model_training.params import Params
from model_training.split import Fold, folds, judged
from model_training.thresholds import choose

FASTER: Final = 3  # a third of the rounds, each three times as large: many models are trained
EVERYTHING: Final = ""

Progress = Callable[[list[Fold], str], Iterable[Fold]]


def ablate(dataset: Dataset, rounds: int, params: Params, progress: Progress) -> list[Bought]:
    """Train without each family once, and once with all.

    Args:
        dataset: All labelled observations.
        rounds: With which the model itself was trained.
        params: Of that training.
        progress: Given folds and a title, yields the folds.
    """
    fewer = max(1, rounds // FASTER)
    families = sorted({feature.family for feature in FEATURES})
    return [_without(dataset, fewer, params, name, progress) for name in (EVERYTHING, *families)]


def _without(
    dataset: Dataset, rounds: int, params: Params, family: str, progress: Progress
) -> Bought:
    changed = ablated(params, family)
    helpers = params.data.helpers
    parts = progress(list(folds(dataset, helpers)), f"Without {family or 'nothing'}")
    scores = hold_out(dataset, parts, rounds, changed)
    rows = judged(dataset, helpers)
    kept = part(dataset, rows)
    told = as_told(scores[rows], kept.features, changed.evidence, changed.limits)
    judgement = judge(kept, told, choose(kept, told, params.thresholds))
    return _bought(family, judgement)


def ablated(params: Params, family: str) -> Params:
    """Return parameters under which neither trees nor limits ask for a family's features.

    Evidence still does: it accuses nobody.
    """
    names = {feature.name for feature in FEATURES if feature.family == family}
    ignored = [*params.data.ignored_features, *sorted(names)]
    eta = min(1.0, FASTER * params.booster.eta)
    return msgspec.structs.replace(
        params,
        data=msgspec.structs.replace(params.data, ignored_features=ignored),
        booster=msgspec.structs.replace(params.booster, eta=eta),
        limits=[one for one in params.limits if not names & {*one.at_least, *one.at_most}],
    )


def _bought(family: str, judgement: Judgement) -> Bought:
    labels = sorted({one.label for one in judgement.sightings})
    found = [one for one in judgement.sightings if one.seconds is not None]
    return Bought(
        without=family,
        features=sum(feature.family == family for feature in FEATURES),
        found={label: sum(one.label == label for one in found) for label in labels},
        foreign_found=sum(not is_own(one.origin) for one in found),
        foreign_attackers=sum(not is_own(one.origin) for one in judgement.sightings),
        false_alerts=sum(sum(one.false_alerts.values()) for one in judgement.accused),
    )
