"""edgewarden-train: from labelled captures to the signed model bundle that agents judge with."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from runtime.requirements import needing

with needing("edgewarden-train", "training.txt"):
    from rich.console import Console

    from agent.centre import Centre
    from agent.errors import AgentError
    from model_training import steps, tables
    from model_training.captures import DEFAULT_FOLDER, VARIABLE, check_capture, default_folders
    from model_training.dataset import DEFAULT_CACHE
    from model_training.errors import StepError, TrainingError
    from model_training.feedback import gather
    from model_training.params import DEFAULT_PARAMS, read_params
    from model_training.promote import promote
    from model_training.runs import DEFAULT_RUN, Run

STORY = f"""\
The way from captures to a model, one command a step; each step leaves its result in the run's
folder, and `all` takes every step but `ablate`, `peers` and `promote`:

  edgewarden-train feedback     what people at the centre said of alerts, as a capture folder
  edgewarden-train captures     what there is to learn from, and whether the files are intact
  edgewarden-train dataset      captures to labelled feature vectors, kept in a cache
  edgewarden-train fit          train; every origin is held out once to see what transfers
  edgewarden-train tools        hold out every attack tool once as well
  edgewarden-train ablate       train without each family of features once: what it buys
  edgewarden-train novelty      fit the second opinion for what no class explains
  edgewarden-train peers        let Kitsune judge the same captures (--kitsune FOLDER)
  edgewarden-train evaluate     choose thresholds; attacks found, and whom the model wrongs
  edgewarden-train export       the model as ONNX, its trees for explanations, a model card
  edgewarden-train verify       prove that the agent says what was trained, on every row
  edgewarden-train bundle       sign it
  edgewarden-train promote      make it the model that this package ships

A capture folder holds pcap files and a manifest.json that tells who attacks in each, where it
comes from (its origin), and a labels file with the class of every frame. To record one yourself:
python -m model_training.lab --help

Examples:
  edgewarden-train all --captures {DEFAULT_FOLDER} --captures recordings --run runs/first
  edgewarden-train evaluate --run runs/first
  edgewarden-train fit --params my.toml --run runs/deeper
"""


@needing("edgewarden-train", "training.txt")
def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "feedback":
        return _told(lambda: _feedback(options))
    place = steps.Place(options.captures or default_folders(), options.cache)
    return _told(lambda: _take(options, place, Run(options.run), Console()))


def _told(work: Callable[[], None]) -> int:
    try:
        work()
    except (TrainingError, AgentError) as error:
        print(f"edgewarden-train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("edgewarden-train: interrupted; what was observed is kept", file=sys.stderr)
        return 130
    return 0


def _feedback(options: argparse.Namespace) -> None:
    try:
        key = options.token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"--token-file: {error}"
        raise StepError(message) from error
    found = gather(Centre(options.url, options.ca_file), key, options.folder)
    print(f"{options.folder}: {found.attacks} attacks, {found.harmless} false positives")
    if found.coming:
        print(f"{found.coming} are on their way from their devices: run this again in a minute")
    if found.without:
        print(f"{found.without} have no frames any more, or none to learn from")


def _take(options: argparse.Namespace, place: steps.Place, run: Run, console: Console) -> None:
    match options.command:
        case "captures":
            _captures(place, console)
        case "dataset":
            origins = read_params(options.params).data.origins
            dataset = place.dataset((*steps.LEARNED, *steps.KEPT_BACK), origins)
            console.print(tables.of_dataset(dataset))
        case "fit":
            print(f"{run.booster}: {steps.take_fit(place, run, options.params)} rounds")
        case "tools" | "ablate" | "novelty" | "peers":
            _beside(options, place, run)
        case "evaluate":
            _evaluate(place, run, console)
        case "export":
            print(f"{run.bundle}: {steps.take_export(place, run).model_id}")
        case "verify":
            _verify(place, run)
        case "bundle":
            print(f"{run.bundle}: {steps.take_bundle(run, options.key)} signed")
        case "promote":
            print(f"{promote(run)} is the default model now")
        case _:
            _all(options, place, run, console)


def _captures(place: steps.Place, console: Console) -> None:
    captures = place.captures(("train", "validation", "unit-test"))
    for capture in captures:
        check_capture(capture)
    console.print(tables.of_captures(captures))


def _beside(options: argparse.Namespace, place: steps.Place, run: Run) -> None:
    """Take a step that stands beside the way."""
    match options.command:
        case "tools":
            print(f"{run.tools}: {', '.join(steps.take_tools(place, run)) or 'no tool is named'}")
        case "ablate":
            print(f"{run.ablation}: {len(steps.take_ablation(place, run))} trainings")
        case "novelty":
            print(f"{run.novelty}: {steps.take_novelty(place, run)} windows of known hosts")
        case _:
            learned = steps.take_peers(place, run, options.kitsune)
            print(f"{run.kitsune}: Kitsune could learn from {learned} captures")


def _evaluate(place: steps.Place, run: Run, console: Console) -> None:
    evaluation = steps.take_evaluate(place, run)
    console.print("Each origin by a model that did not see it:")
    console.print(tables.of_attacks(evaluation.held_out), tables.of_benign(evaluation.held_out))
    console.print("Validation captures, by the model itself:")
    console.print(tables.of_attacks(evaluation.validation))
    console.print(tables.of_benign(evaluation.validation))
    print(f"{run.evaluation}, {run.report}: thresholds {evaluation.thresholds}")


def _verify(place: steps.Place, run: Run) -> None:
    proof = steps.take_verify(place, run)
    print(
        f"{run.verification}: {proof.rows} rows, no label differs; scoring within "
        f"{proof.scoring_difference:.1e}, explanations within {proof.explanation_difference:.1e}"
    )


def _all(options: argparse.Namespace, place: steps.Place, run: Run, console: Console) -> None:
    _captures(place, console)
    print(f"{run.booster}: {steps.take_fit(place, run, options.params)} rounds")
    steps.take_tools(place, run)
    steps.take_novelty(place, run)
    _evaluate(place, run, console)
    print(f"{run.bundle}: {steps.take_export(place, run).model_id}")
    _verify(place, run)
    print(f"{run.bundle}: {steps.take_bundle(run, options.key)} signed")


_COMMANDS = {
    "captures": "list the captures and check their fingerprints",
    "dataset": "observe the captures and count labelled windows",
    "fit": "train a booster",
    "tools": "train without each attack tool once",
    "ablate": "train without each family of features once",
    "novelty": "fit the second opinion",
    "peers": "let another detector judge the same captures",
    "evaluate": "choose thresholds and judge what was held out",
    "export": "write the model as agents read it",
    "verify": "compare the exported model with the trained one on every row",
    "bundle": "sign the exported model",
    "promote": "copy the signed bundle into the package",
    "all": "every step from captures to bundle",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgewarden-train",
        description="Train the model that edgewarden-agent judges with.",
        epilog=STORY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        _add_options(command)
        if name == "peers":
            command.add_argument(
                "--kitsune",
                type=Path,
                required=True,
                metavar="FOLDER",
                help="a copy of github.com/ymirsky/Kitsune-py",
            )
    text = "fetch judged alerts and their frames from the centre into a capture folder"
    _add_feedback(commands.add_parser("feedback", help=text, description=text))
    return parser


def _add_feedback(command: argparse.ArgumentParser) -> None:
    command.add_argument("--url", required=True, help="of the centre, such as https://centre.lan")
    command.add_argument(
        "--token-file",
        type=Path,
        required=True,
        metavar="FILE",
        help="with an API token of an analyst (POST /api/v1/auth/tokens)",
    )
    command.add_argument("--ca-file", type=Path, help="who vouches for the centre's certificate")
    command.add_argument("--folder", type=Path, required=True, help="of captures, to be written")


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--captures",
        type=Path,
        action="append",
        metavar="FOLDER",
        help=f"folder with a manifest.json, may be repeated (default: {VARIABLE}, then {DEFAULT_FOLDER})",
    )
    command.add_argument(
        "--run", type=Path, default=DEFAULT_RUN, metavar="FOLDER", help="default: %(default)s"
    )
    command.add_argument(
        "--cache",
        type=Path,
        default=DEFAULT_CACHE,
        metavar="FOLDER",
        help="where observed captures are kept (default: %(default)s)",
    )
    command.add_argument(
        "--params",
        type=Path,
        default=DEFAULT_PARAMS,
        metavar="FILE",
        help="parameters of `dataset`, `fit` and `all` (default: the package's params.toml)",
    )
    command.add_argument(
        "--key",
        type=Path,
        default=Path("runs/signing-key.pem"),
        metavar="FILE",
        help="Ed25519 key of `bundle` and `all`; created, for its owner's eyes only, where there is "
        "none (default: %(default)s)",
    )


if __name__ == "__main__":
    sys.exit(main())
