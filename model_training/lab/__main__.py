"""`python -m model_training.lab record`: record labelled captures of a home under attack."""

import argparse
import signal
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

from model_training.lab.errors import LabError
from model_training.lab.network import check_ready
from model_training.lab.record import record, write, write_story
from model_training.lab.scenes import DEMO, Scene
from model_training.lab.training_scenes import TRAINING

EXIT_CANNOT_RUN = 2
TRIES = 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model_training.lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="play scenes in namespaces and record them")
    recording.add_argument(
        "--out", type=Path, required=True, help="folder for captures and labels"
    )
    recording.add_argument("--scenes", default="demo", help="demo, all, or names with commas")
    recording.add_argument(
        "--seed", type=int, default=1, help="moves addresses, periods, contents"
    )
    recording.add_argument("--part", default="1/1", help="K/N: only every Nth scene, from the Kth")
    recording.add_argument("--skip-existing", action="store_true", help="keep what is there")
    commands.add_parser("list", help="name the scenes")
    return parser


def _chosen(names: str, part: str) -> list[Scene]:
    known = {scene.name: scene for scene in (DEMO, *TRAINING)}
    if names == "demo":
        return [DEMO]
    wanted = [scene.name for scene in TRAINING] if names == "all" else names.split(",")
    if unknown := sorted(set(wanted) - set(known)):
        message = f"no such scene: {', '.join(unknown)}"
        raise LabError(message)
    first, _, step = part.partition("/")
    return [known[name] for name in wanted][int(first) - 1 :: int(step)]


def _record(scene: Scene, out_dir: Path, seed: int) -> None:
    recording = record(scene, seed)
    is_demo = scene is DEMO
    entry = write(recording, out_dir, compressed=is_demo)
    if is_demo:
        write_story(recording, out_dir / f"{scene.name}.json")
    print(
        f"{entry['file']}: {entry['packets']} frames, {entry['packet_class_counts']}", flush=True
    )


def _scene_seed(scene: Scene, seed: int) -> int:
    """Give every training scene addresses and periods of its own."""
    return seed if scene is DEMO else seed * 100_000 + zlib.crc32(scene.name.encode()) % 100_000


def _record_patiently(scene: Scene, out_dir: Path, seed: int) -> bool:
    for attempt in range(TRIES):
        try:
            _record(scene, out_dir, _scene_seed(scene, seed + attempt))
        except LabError as error:
            print(f"{scene.name}: {error}", file=sys.stderr, flush=True)
        else:
            return True
    return False


def main(argv: Sequence[str] | None = None) -> int:
    """Record what the command line asks for; 2 when the lab cannot run here."""
    arguments = _parser().parse_args(argv)
    if arguments.command == "list":
        print("\n".join(scene.name for scene in (DEMO, *TRAINING)))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        check_ready()
        scenes = _chosen(arguments.scenes, arguments.part)
    except LabError as error:
        print(error, file=sys.stderr)
        return EXIT_CANNOT_RUN
    done = [
        _record_patiently(scene, arguments.out, arguments.seed)
        for scene in scenes  # looked up one by one: another lab may have recorded it meanwhile
        if not (arguments.skip_existing and (arguments.out / f"{scene.name}.pcap").exists())
    ]
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(main())
