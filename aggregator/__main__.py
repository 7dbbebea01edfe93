"""edgewarden-aggregator: the command line of the centre."""

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from runtime.requirements import needing

with needing("edgewarden-aggregator", "aggregator.txt"):
    import msgspec

    from aggregator import terminal
    from aggregator.accounts import check_audit, create_user, forget_authenticator, reset_password
    from aggregator.app import serve
    from aggregator.commands.signing import load_signer
    from aggregator.config import AggregatorConfig, with_known_names
    from aggregator.remote import Login, Service, url_of
    from aggregator.sandbox.job import Format
    from aggregator.store.users import Role
    from runtime.config import load_config
    from runtime.errors import ProcessError
    from runtime.logs import set_up_logs

USAGE_ERROR = 2
FAILURE = 1
INTERRUPTED = 130
OURS_ALONE = 0o077

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
  edgewarden-aggregator sql "SELECT attack_type, count(*) FROM alerts GROUP BY ALL"
      one statement (see docs/analysts.md); without one, statements are read from the terminal
  edgewarden-aggregator sql "FROM verdicts" --format parquet > verdicts.parquet
  edgewarden-aggregator backup /media/usb/edgewarden.tar
      database, archive, models and keys in one file; while the service runs it is asked for it
      (--url, --user, --code of who has an authenticator). Recordings of terminals and frames behind alerts are not in it
  EDGEWARDEN_STORE__PATH=data2 edgewarden-aggregator restore /media/usb/edgewarden.tar
      put it back where no database is; the service has to be stopped
  edgewarden-aggregator export verdicts-and-more
      what the organization sees, as Parquet files in a new folder

settings: a TOML file (--config), then EDGEWARDEN_SECTION__KEY variables, such as
  EDGEWARDEN_STORE__PATH, EDGEWARDEN_HTTP__HOST, EDGEWARDEN_HTTP__PORT, EDGEWARDEN_BROKER__HOST,
  EDGEWARDEN_BROKER__PORT. EDGEWARDEN_ADMIN_PASSWORD is the password of the first admin.
  EDGEWARDEN_TOKEN, an access token, saves sql, backup and export from asking for a password; an
  API token does for sql and export.
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
    asking = argparse.ArgumentParser(add_help=False)
    asking.add_argument("--url", help="where the service runs, if it does (default: as set)")
    asking.add_argument("--user", default="admin", help="who asks it (default: admin)")
    sql = commands.add_parser("sql", parents=[common, asking], help="ask with a SELECT")
    sql.add_argument("statement", nargs="?", help="without it, statements are read line by line")
    sql.add_argument("--format", choices=("table", *get_args(Format)), default="table")
    backup = commands.add_parser(
        "backup",
        parents=[common, asking],
        help="save database, archive, models and keys",
        description=(
            "Save database, archive, models and keys. Recordings of terminals and frames behind"
            " alerts are not in it."
        ),
    )
    backup.add_argument("file", type=Path, help="a tar file that is not there yet")
    backup.add_argument("--code", help="of your authenticator, if you have one")
    restore = commands.add_parser("restore", parents=[common], help="put a backup back")
    restore.add_argument("file", type=Path)
    export = commands.add_parser(
        "export", parents=[common, asking], help="write what the organization sees"
    )
    export.add_argument("folder", type=Path, help="a folder that is not there yet")
    return parser


@needing("edgewarden-aggregator", "aggregator.txt")
def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 1 when a part failed, 2 for wrong settings."""
    given = _parser().parse_args(arguments)
    try:
        return _run(given)
    except ProcessError as error:
        _tell(f"edgewarden-aggregator: {error}")
        return USAGE_ERROR
    except PermissionError as error:
        _tell(f"edgewarden-aggregator: {error.filename}: {error.strerror}: use sudo")
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except ExceptionGroup as group:
        failures, others = group.split(ProcessError)
        if failures is None or others is not None:
            raise
        for failure in _leaves(failures):
            _tell(f"edgewarden-aggregator: {failure}")
        return FAILURE


def _run(given: argparse.Namespace) -> int:
    # DuckDB makes files as this says; a folder that was there may be open to all.
    os.umask(OURS_ALONE)
    config = load_config(AggregatorConfig, given.config, with_known_names(os.environ))
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
        case "audit":
            return _verify_audit(config)
        case _:
            _use_store(config, given)
    return 0


def _verify_audit(config: AggregatorConfig) -> int:
    chains = asyncio.run(check_audit(config))
    for chain in chains:
        if chain.broken_at is None:
            print(f"{chain.organization}: {chain.entries} entries, whole, head {chain.head}")
        else:
            print(f"{chain.organization}: {chain.entries} entries, BROKEN at {chain.broken_at}")
    return FAILURE if any(chain.broken_at is not None for chain in chains) else 0


def _use_store(config: AggregatorConfig, given: argparse.Namespace) -> None:
    if given.command == "restore":
        terminal.restore(config, given.file, _tell)
        return
    login = Login(given.user, _password, getattr(given, "code", None))
    service = Service(given.url or url_of(config.http), login)
    if given.command == "backup":
        terminal.back_up(config, service, given.file, _tell)
    elif given.command == "export":
        terminal.export(config, service, given.folder, _tell)
    else:
        _sql(config, service, given)


def _sql(config: AggregatorConfig, service: Service, given: argparse.Namespace) -> None:
    with terminal.answering(config, service) as ask:
        if given.statement is None:
            terminal.converse(ask, input, _tell)
        elif given.format == "table":
            print(terminal.table(ask(given.statement, "json")), end="")
        else:
            sys.stdout.buffer.write(ask(given.statement, given.format))


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
