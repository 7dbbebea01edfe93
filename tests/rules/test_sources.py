"""What holds for every file of the repository, whatever it says."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("contract", "runtime", "agent", "aggregator", "model_training")
MAX_LINES = 400
LONGER_FOR_A_REASON: dict[str, str] = {}  # path: why it cannot be split
# Written as patterns, so that this file does not hold what it looks for.
FORBIDDEN = {
    "the address of a package registry": re.compile(
        r"pypi\.[a-z]|pythonhosted\.|npmjs\.|registry\.[a-z]|(?<!no-emit-)index-ur[l]"
    ),
    "a path of somebody's machine": re.compile(
        r"(?<![\w./-])/(root|work|Users)/\w|/home/[a-z]+/\w"
    ),
}
DOMAIN_WORDS = {
    *("frame", "packet", "flow", "window", "observation", "feature", "score", "verdict"),
    *("strike", "alert", "incident", "isolation", "capture", "label", "mac"),
}
OTHER_WORDS = {  # for what the glossary calls by one name
    "quarantine": "isolation",
    "blacklist": "isolation",
    "whitelist": "exempt",
    "sensor_id": "device_id",
    "pkt": "packet",
}


@cache
def tracked() -> tuple[Path, ...]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = (ROOT / name for name in listed.stdout.decode().split("\0") if name)
    return tuple(path for path in paths if path.is_file())


def texts() -> Iterator[tuple[str, str]]:
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            yield str(path.relative_to(ROOT)), content.decode(errors="replace")


def sources(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


def words(path: Path) -> set[str]:
    """Return the words of the names that a module gives; what libraries say is theirs."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                names.add(name)
            case ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
    snake = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() for name in names}
    parts = {word for name in snake for word in name.split("_")}
    return snake | parts | {part.removesuffix("s") for part in parts}


def test_no_module_is_longer_than_a_reader_holds():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources(*PACKAGES)
        if (lines := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long.keys() == LONGER_FOR_A_REASON.keys(), long


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_holds(what: str):
    found = {
        name: match.group() for name, text in texts() if (match := FORBIDDEN[what].search(text))
    }
    assert not found


def test_the_process_parts_know_no_word_of_the_domain():
    spoken = {path.name: words(path) & DOMAIN_WORDS for path in sources("runtime")}
    assert not {name: found for name, found in spoken.items() if found}


def test_one_name_for_one_thing():
    spoken = {path: words(path) & OTHER_WORDS.keys() for path in sources(*PACKAGES)}
    found = {str(path.relative_to(ROOT)): said for path, said in spoken.items() if said}
    assert not found, f"say instead: {OTHER_WORDS}"


def test_there_is_no_drawer_for_odds_and_ends():
    drawers = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}
    assert not [path for path in sources(*PACKAGES, "tests") if path.name in drawers]


def test_sql_is_one_statement_a_file():
    for path in (ROOT / "aggregator").rglob("queries/*.sql"):
        statement = re.sub(r"--.*|'[^']*'", "", path.read_text()).strip().rstrip(";")
        assert statement, path
        assert ";" not in statement, path


def test_no_sql_is_put_together_from_strings():
    statement = re.compile(r"\bf[\"']+\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER)\b")
    assert not [path for path in sources("aggregator") if statement.search(path.read_text())]
