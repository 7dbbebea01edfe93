"""edgewarden-agent: watch a network, or judge a capture."""

import argparse
import getpass
import os
import sys
from pathlib import Path

from runtime.requirements import needing

with needing("edgewarden-agent", "agent.txt"):
    from agent.config import AgentConfig
    from agent.errors import AgentError, EnrolmentError, ReleaseCodeError
    from agent.release_code import new_secret, use_release_code
    from runtime.config import load_config
    from runtime.errors import ProcessError
    from runtime.logs import set_up_logs
    from runtime.memory import settle_memory

USAGE_ERROR = 2
MAX_SPEED = 1e6

EXAMPLES = """\
examples:
  edgewarden-agent replay home.pcap                      alerts of a capture, as JSON Lines
  edgewarden-agent replay a.pcap.gz --output verdicts    one line for each host and second
  edgewarden-agent run --config /etc/edgewarden/agent.toml
  edgewarden-agent run --replay home.pcap --speed 1      play a capture as if it were live
  edgewarden-agent doctor --config /etc/edgewarden/agent.toml
  edgewarden-agent enroll --url https://centre.lan > enrolled.toml
      show a code of the centre's operator, once; keep the keys, print the settings that name them
  edgewarden-agent release --all                         let everybody go, without the centre
  edgewarden-agent release 02:00:00:00:00:07 --code 123456

Settings are read from the file given by --config and from variables such as
EDGEWARDEN_BROKER__HOST=10.0.0.2, which sets `host` in `[broker]`.
"""


@needing("edgewarden-agent", "agent.txt")
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code: 0 fine, 1 it failed, 2 wrong input."""
    options = _parser().parse_args(arguments)
    # Before numpy is loaded: its linear algebra, which nothing here needs, would start a thread for
    # each core, and these spin at first.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        return _run(options)
    except (AgentError, ProcessError) as error:
        print(f"edgewarden-agent: {error}", file=sys.stderr)
        return USAGE_ERROR
    except PermissionError as error:
        print(f"edgewarden-agent: {error.filename}: {error.strerror}: use sudo", file=sys.stderr)
        return USAGE_ERROR
    except BrokenPipeError:
        # The reader (head, say) has seen enough; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    if options.command == "enforce":
        from agent.isolation.enforcer import serve  # noqa: PLC0415

        set_up_logs("info")
        return serve(options.socket)
    if options.command == "enroll":
        return _enrol(options)
    config = load_config(AgentConfig, options.config)
    set_up_logs(config.log.level)
    if options.command == "replay":
        return _replay(options, config)
    if options.command == "release-secret":
        return _release_secret(config)
    return _service(options, config)


def _service(options: argparse.Namespace, config: AgentConfig) -> int:
    command: str = options.command
    if command == "run":
        return _watch(options, config)
    # Imported late: a replay needs neither a broker's client nor a database.
    from agent import doctor  # noqa: PLC0415
    from agent.isolation import on_this_box  # noqa: PLC0415

    if command == "check":
        print(doctor.check(config))
        return 0
    if command == "doctor":
        return doctor.examine(config)
    if command == "isolations":
        return on_this_box.show_isolations(config)
    if config.isolation.release_secret_file is not None:
        use_release_code(config.isolation.release_secret_file, _code(options.code))
    return on_this_box.release(config, options.who, everything=options.all)


def _watch(options: argparse.Namespace, config: AgentConfig) -> int:
    from agent.isolation.enforcer import apart  # noqa: PLC0415

    with apart(config) as guard:
        # Not before: numpy starts threads, and each would keep the right that was just given up.
        from agent import app  # noqa: PLC0415

        settle_memory()
        return app.main(config, guard, options.replay, options.speed)


def _enrol(options: argparse.Namespace) -> int:
    from agent import enrolment  # noqa: PLC0415
    from contract.enrolment import EnrolmentRequest  # noqa: PLC0415

    enrolment.check_folder(options.folder)
    request = EnrolmentRequest(
        code=_enrolment_code(options.code_file),
        device_id=options.device_id,
        name=os.uname().nodename[:200],
    )
    given = enrolment.enrol(options.url, request, options.ca_file)
    print(enrolment.keep(given, options.folder, options.url, options.ca_file), end="")
    state = "pending: an admin has to accept it" if given.pending else "enrolled"
    told = f"device {given.device_id} of {given.organization} is {state}; keys: {options.folder}"
    print(f"edgewarden-agent: {told}", file=sys.stderr)
    return 0


def _enrolment_code(file: Path | None) -> str:
    try:
        if file is not None:
            return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"--code-file {file}: {error}"
        raise EnrolmentError(message) from error
    if sys.stdin.isatty():
        return getpass.getpass("code: ")
    return sys.stdin.readline().strip()


def _release_secret(config: AgentConfig) -> int:
    if config.isolation.release_secret_file is None:
        message = "set release_secret_file in [isolation] to where the secret is to lie"
        raise ReleaseCodeError(message)
    print(new_secret(config.isolation.release_secret_file))
    return 0


def _code(given: str | None) -> str:
    if given is not None:
        return given
    if sys.stdin.isatty():
        return getpass.getpass("code: ")
    message = "a code is needed: --code 123456"
    raise ReleaseCodeError(message)


def _replay(options: argparse.Namespace, config: AgentConfig) -> int:
    from agent.model_bundle import DEFAULT_BUNDLE, load_bundle  # noqa: PLC0415
    from agent.replay import replay  # noqa: PLC0415

    bundle = load_bundle(
        options.bundle or config.model.bundle or DEFAULT_BUNDLE, config.model.trusted_keys
    )
    settle_memory()
    code = 0
    for path in options.files:
        try:
            replay(path, config, bundle, options.output, options.speed)
        except AgentError as error:
            print(f"edgewarden-agent: {error}", file=sys.stderr)
            code = USAGE_ERROR
    return code


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= MAX_SPEED:
        message = f"{text!r} is neither `max` nor a number of times"
        raise argparse.ArgumentTypeError(message)
    return speed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgewarden-agent",
        description="Watches a network, judges every host once a second, isolates attackers.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, help="TOML file with settings")
    faster = "how many times faster than recorded"

    replay = commands.add_parser("replay", parents=[common], help="judge captures")
    replay.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="pcap or pcapng, .gz too"
    )
    replay.add_argument(
        "--output", choices=("alerts", "verdicts", "observations"), default="alerts"
    )
    replay.add_argument("--speed", default="max", type=_speed, metavar="max|1|10", help=faster)
    replay.add_argument("--bundle", type=Path, help="model bundle, instead of the one that ships")

    run = commands.add_parser("run", parents=[common], help="watch the network (the service)")
    run.add_argument(
        "--replay", type=Path, metavar="FILE", help="play a capture instead, then end"
    )
    run.add_argument("--speed", default="1", type=_speed, metavar="max|1|10", help=faster)

    enforce = commands.add_parser("enforce", help="started by `run`, to change the network for it")
    enforce.add_argument("socket", type=int, help="number of an open socket")

    enroll = commands.add_parser(
        "enroll", allow_abbrev=False, help="get this box's keys from the centre, for a code"
    )
    enroll.add_argument("--url", required=True, help="of the centre, such as https://centre.lan")
    enroll.add_argument(
        "--code-file", type=Path, metavar="FILE", help="with the code; without it it is asked for"
    )
    enroll.add_argument("--device-id", help="this box's name, unless the code is for one by name")
    enroll.add_argument("--ca-file", type=Path, help="who vouches for the centre's certificate")
    enroll.add_argument(
        "--folder",
        type=Path,
        default=Path("/etc/edgewarden/credentials/agent"),
        help="where the keys are kept (default: %(default)s)",
    )

    commands.add_parser("check", parents=[common], help="read the settings, name what is wrong")
    commands.add_parser("doctor", parents=[common], help="say what this machine can and cannot do")
    commands.add_parser("isolations", parents=[common], help="who is cut off now, by the kernel")
    release = commands.add_parser("release", parents=[common], help="end isolations on this box")
    chosen = release.add_mutually_exclusive_group(required=True)
    chosen.add_argument(
        "who", nargs="?", metavar="WHO", help="MAC, IP or bridge port, as `isolations` shows it"
    )
    release.add_argument(
        "--code", help="of the box's authenticator, where one is set; else asked for"
    )
    commands.add_parser(
        "release-secret",
        parents=[common],
        help="make the secret that `release` then asks codes of",
    )
    chosen.add_argument("--all", action="store_true", help="everybody, and remove our table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
