"""`python -m model_training.synthetic`: write made-up, labelled scenes into a folder."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from model_training.synthetic.scenes import write_all


def main(arguments: Sequence[str] | None = None) -> int:
    """Write scenes; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m model_training.synthetic", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--scenes", type=int, default=400, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other scenes")
    options = parser.parse_args(arguments)
    frames = write_all(options.out, options.seed, options.scenes)
    print(f"{options.out}: {options.scenes} scenes, {frames} frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
