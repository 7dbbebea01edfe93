"""edgewarden-aggregator: the command line of the centre."""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec

from aggregator.accounts import check_audit, create_user, forget_authenticator, reset_password
from aggregator.app import serve
from aggregator.commands.signing import load_signer
from aggregator.config import AggregatorConfig
from aggregator.store.users import Role
from runtime.config import load_config
from runtime.errors import ProcessError
from runtime.logs import set_up_logs

USAGE_ERROR = 2
FAILURE = 1

EXAMPLES = """\
examples:
  edgewarden-aggregator serve
      keep everything in ./data, start a broker on port 1883, serve http://127.0.0.1:8000
  EDGEWARDEN_BROKER__HOST=10.0.0.5 edgewarden-aggregator serve --config aggregator.toml
      use the broker that runs there
  edgewarden-aggregator check --config aggregator.toml
      show the settings that would be used
  edgewarden-aggregator create-user alice --role analyst
      add a user while the service is stopped; the password is asked for, or read from a pipe
  edgewarden-aggregator reset-password alice < new-password.txt
      give a user another password while the service is stopped; sessions and tokens end
  edgewarden-aggregator command-key > commands.pem
      print the public key by which agents believe our commands; it goes onto each agent, named by
      public_key_file in [commands] of its agent.toml
  edgewarden-aggregator forget-authenticator alice
      let somebody who lost authenticator and recovery codes enrol anew, while the service is stopped
  edgewarden-aggregator audit verify
      say for every organization whether its audit is whole, or where it breaks

settings: a TOML file (--config), then EDGEWARDEN_SECTION__KEY variables, such as
  EDGEWARDEN_STORE__PATH, EDGEWARDEN_HTTP__HOST, EDGEWARDEN_HTTP__PORT, EDGEWARDEN_BROKER__HOST,
  EDGEWARDEN_BROKER__PORT. EDGEWARDEN_ADMIN_PASSWORD is the password of the first admin.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgewarden-aggregator",
        description="Takes in what agents tell, keeps it, and serves API and dashboard.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, help="a TOML file with settings")
    commands.add_parser("serve", parents=[common], help="run the service")
    commands.add_parser("check", parents=[common], help="check and show the settings")
    user = commands.add_parser("create-user", parents=[common], help="add a user")
    user.add_argument("username")
    user.add_argument("--role", choices=get_args(Role), default="viewer")
    reset = commands.add_parser(
        "reset-password", parents=[common], help="give a user another password"
    )
    reset.add_argument("username")
    commands.add_parser("command-key", parents=[common], help="print the key that agents need")
    forget = commands.add_parser(
        "forget-authenticator", parents=[common], help="let somebody enrol one anew"
    )
    forget.add_argument("username")
    audits = commands.add_parser("audit", help="check the audit").add_subparsers(
        dest="audit_command", required=True, metavar="COMMAND"
    )
    audits.add_parser("verify", parents=[common], help="say where the chain of hashes breaks")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 1 when a part failed, 2 for wrong settings."""
    given = _parser().parse_args(arguments)
    try:
        return _run(given)
    except ProcessError as error:
        _tell(f"edgewarden-aggregator: {error}")
        return USAGE_ERROR
    except ExceptionGroup as group:
        failures, others = group.split(ProcessError)
        if failures is None or others is not None:
            raise
        for failure in _leaves(failures):
            _tell(f"edgewarden-aggregator: {failure}")
        return FAILURE


def _run(given: argparse.Namespace) -> int:
    config = load_config(AggregatorConfig, given.config)
    set_up_logs(config.log.level)
    match given.command:
        case "serve":
            asyncio.run(serve(config, _tell))
        case "check":
            print(msgspec.json.format(msgspec.json.encode(config, enc_hook=str)).decode())
        case "create-user":
            asyncio.run(create_user(config, given.username, _password(), given.role))
        case "reset-password":
            asyncio.run(reset_password(config, given.username, _password()))
        case "command-key":
            print(load_signer(config.store.path).public_pem(), end="")
        case "forget-authenticator":
            asyncio.run(forget_authenticator(config, given.username))
        case _:
            return _verify_audit(config)
    return 0


def _verify_audit(config: AggregatorConfig) -> int:
    chains = asyncio.run(check_audit(config))
    for chain in chains:
        if chain.broken_at is None:
            print(f"{chain.organization}: {chain.entries} entries, whole, head {chain.head}")
        else:
            print(f"{chain.organization}: {chain.entries} entries, BROKEN at {chain.broken_at}")
    return FAILURE if any(chain.broken_at is not None for chain in chains) else 0


def _password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("password: ")
    return sys.stdin.readline().rstrip("\r\n")


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
