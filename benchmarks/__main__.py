"""Measures ours and every peer that is there, in one run; `make bench`."""

import argparse
import sys

from benchmarks.comparison import compare
from benchmarks.peers import PEERS
from benchmarks.tables import comparison_table, notes

_CAPTURES = ("mixed", "bundled", "syn_flood", "port_scan", "hosts_10000")
_QUICK_PACKETS = 300_000


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    peers = [peer for peer in PEERS if not options.peers or _is_chosen(peer.name, options.peers)]
    for name in options.captures:
        most = _QUICK_PACKETS if options.quick else None
        compared = compare(name, peers, options.rounds, most)
        held = compared.capture
        print(
            f"\n{name}: {held.packets:,} packets of {held.seconds:.0f} s, median of {compared.rounds} rounds\n"
        )
        print(comparison_table(compared))
        print("".join(f"- {line}\n" for line in notes(compared)))
    return 0


def _is_chosen(name: str, wanted: list[str]) -> bool:
    return any(name.startswith(each) for each in wanted)


def _list(text: str) -> list[str]:
    return text.split(",")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (3)")
    parser.add_argument(
        "--captures",
        type=_list,
        default=["mixed"],
        metavar="NAME,...",
        help=f"of {', '.join(_CAPTURES)}",
    )
    parser.add_argument(
        "--peers", type=_list, metavar="NAME,...", help="beginnings of names; edgewarden is ours"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"cut captures at {_QUICK_PACKETS:,} packets"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
