"""Measures ours and every peer that is there, in one run; `make bench`."""

import argparse
import datetime
import sys
from collections.abc import Callable
from typing import Final

from benchmarks import centre, line, live, machine, ourselves, plot, results, uplink
from benchmarks.centre import QUICK, WHOLE
from benchmarks.comparison import compare
from benchmarks.measure import CommandError
from benchmarks.peers import PEERS, Peer
from benchmarks.report import text, write_page
from benchmarks.results import Results

CAPTURES: Final = ("mixed", "bundled", "syn_flood", "port_scan", "hosts_10000")
_QUICK_PACKETS: Final = 300_000
_EPILOG: Final = """\
A whole run takes half an hour and writes docs/performance.md; every other run prints what it measured,
and adds it to what is kept in .cache/bench/results.json. KITSUNE=/path/to/checkout adds Kitsune.
"""


def _comparisons(options: argparse.Namespace, found: Results) -> None:
    for name in options.captures:
        chosen = [peer for peer in PEERS if _is_chosen(peer, name, options.peers)]
        most_packets = _QUICK_PACKETS if options.quick else None
        found.comparisons[name] = compare(name, chosen, options.rounds, most_packets)


def _is_chosen(peer: Peer, capture: str, wanted: list[str] | None) -> bool:
    # Those that get but a part of a capture would see the peace before an attack.
    fits = capture == "mixed" or peer.most_packets is None
    return fits and (not wanted or any(peer.name.startswith(each) for each in wanted))


def _stages(options: argparse.Namespace, found: Results) -> None:
    names = (options.captures[0], "quiet")
    found.stages = [ourselves.stages(name, options.rounds) for name in names]


def _growth(options: argparse.Namespace, found: Results) -> None:
    found.growth, found.growth_hosts = ourselves.growth(options.rounds)


def _floods(options: argparse.Namespace, found: Results) -> None:
    found.floods = ourselves.floods(options.rounds)
    found.start_up = ourselves.start_up(options.rounds)


def _live(_: argparse.Namespace, found: Results) -> None:
    if why := live.missing():
        raise CommandError(why)
    watchers = ["edgewarden", *(["scapy"] if live.has_scapy() else [])]
    found.live = live.live(watchers)


def _uplink(options: argparse.Namespace, found: Results) -> None:
    found.uplinks = uplink.computed()
    if why := line.missing():
        raise CommandError(why)
    if not options.quick:
        found.counted = uplink.counted("quiet")


def _centre(options: argparse.Namespace, found: Results) -> None:
    if why := line.missing():
        raise CommandError(why)
    found.centre = centre.measured(QUICK if options.quick else WHOLE)


PARTS: Final[dict[str, Callable[[argparse.Namespace, Results], None]]] = {
    "compare": _comparisons,
    "stages": _stages,
    "growth": _growth,
    "floods": _floods,
    "uplink": _uplink,
    "centre": _centre,
    "live": _live,
}


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for; return the exit code."""
    options = _parser().parse_args(arguments)
    found = Results(machine=machine.described())
    for part in options.only:
        try:
            PARTS[part](options, found)
        except CommandError as error:
            found.untold.append(f"{part}: {error}")
        else:
            found.measured[part] = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    found.machine["pace at the end"] = machine.pace()
    results.save(results.updated(results.load(), found))
    print(text(found))
    if options.docs or options == _parser().parse_args([]):
        whole = results.load()
        plot.draw(whole)
        write_page(whole)
    return 0


def _list(text: str) -> list[str]:
    return text.split(",")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts, captures = ",".join(PARTS), ",".join(CAPTURES)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (3)")
    parser.add_argument("--only", type=_list, default=[*PARTS], metavar="PART,...", help=parts)
    parser.add_argument(
        "--captures", type=_list, default=[*CAPTURES], metavar="NAME,...", help=captures
    )
    parser.add_argument(
        "--peers", type=_list, metavar="NAME,...", help="beginnings of names; edgewarden is ours"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"cut captures at {_QUICK_PACKETS:,} packets"
    )
    parser.add_argument(
        "--docs", action="store_true", help="write the page, whatever was measured"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
