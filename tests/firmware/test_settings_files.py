"""The settings files that a machine starts with: complete, loadable, safe."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from agent.config import AgentConfig
from aggregator.config import AggregatorConfig
from runtime.config import Section, load_config
from tests.firmware.namespaces import FIRMWARE

PROFILES = sorted((FIRMWARE / "profiles").glob("*/agent.toml"))
AGENT = FIRMWARE / "etc" / "agent.toml"
AGGREGATOR = FIRMWARE / "etc" / "aggregator.toml"
FILES: list[tuple[Path, type[Section]]] = [
    (AGENT, AgentConfig),
    (AGGREGATOR, AggregatorConfig),
    *((profile, AgentConfig) for profile in PROFILES),
]


def settings_of(kind: type[Section]) -> set[tuple[str, str]]:
    """Every (section, key) that the program knows; section "" is the top."""
    found = set()
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, Section):
            names = [one.name for one in msgspec.structs.fields(field.type)]
            found |= {(field.name, name) for name in names}
        else:
            found.add(("", field.name))
    return found


def keys_of(file: Path) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for name, body in tomllib.loads(file.read_text()).items():
        found |= {(name, key) for key in body} if isinstance(body, dict) else {("", name)}
    return found


@pytest.mark.parametrize(("file", "kind"), FILES, ids=lambda value: getattr(value, "stem", None))
def test_the_program_accepts_the_file(file: Path, kind: type[Section]):
    load_config(kind, file, environment={})


@pytest.mark.parametrize(("file", "kind"), FILES[:2], ids=["agent", "aggregator"])
def test_the_documented_example_names_every_setting(file: Path, kind: type[Section]):
    text = file.read_text()
    unset = settings_of(kind) - keys_of(file)
    assert {key for _, key in unset if f"`{key}`" not in text} == set()


def test_the_documented_examples_explain_what_happens_without_them():
    example, default = load_config(AgentConfig, AGENT, environment={}), AgentConfig()
    for part in ("window", "model", "policy", "isolation", "spool", "log"):
        assert getattr(example, part) == getattr(default, part), part


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.parent.name)
def test_a_profile_sets_what_the_example_sets(profile: Path):
    assert keys_of(profile) == keys_of(AGENT)


@pytest.mark.parametrize("file", [AGENT, *PROFILES], ids=lambda path: path.parent.name)
def test_nobody_is_isolated_until_a_person_says_so(file: Path):
    config = load_config(AgentConfig, file, environment={})
    assert config.policy == AgentConfig().policy
    assert config.policy.mode == "observe"


@pytest.mark.parametrize(("file", "kind"), FILES, ids=lambda value: getattr(value, "stem", None))
def test_secrets_are_paths_that_systemd_fills(file: Path, kind: type[Section]):
    program = {AgentConfig: "agent", AggregatorConfig: "aggregator"}[kind]
    broker = tomllib.loads(file.read_text())["broker"]
    credentials = f"/run/credentials/edgewarden-{program}.service/broker_"
    assert "password" not in broker
    for key in ("ca_file", "cert_file", "key_file"):
        assert broker[key].startswith(credentials), key
