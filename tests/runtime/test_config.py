from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from runtime.config import Section, load_config
from runtime.errors import ConfigError


class Http(Section, frozen=True):
    port: Annotated[int, Meta(ge=1, le=65535)] = 8000
    secure: bool = False


class Settings(Section, frozen=True):
    name: str = "nameless"
    http: Http = Http()
    folder: Path | None = None


class Capture(Section, frozen=True):
    interfaces: tuple[str, ...] = ()


class Capturing(Section, frozen=True):
    capture: Capture = Capture()


def loaded(tmp_path: Path, text: str, **environment: str) -> Settings:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return load_config(Settings, path, environment)


def test_without_a_file_and_variables_the_defaults_hold():
    assert load_config(Settings, None, {}) == Settings()


def test_a_file_sets_values_and_a_variable_has_the_last_word(tmp_path):
    text = 'folder = "/srv"\n[http]\nport = 80\n'
    settings = loaded(tmp_path, text, EDGEWARDEN_HTTP__PORT="81", EDGEWARDEN_HTTP__SECURE="true")
    assert settings == Settings(folder=Path("/srv"), http=Http(port=81, secure=True))


def test_a_variable_without_a_section_is_no_setting(tmp_path):
    assert loaded(tmp_path, "", EDGEWARDEN_CAPTURES="/data", PATH="/bin") == Settings()


@pytest.mark.parametrize(
    ("text", "environment", "why"),
    [
        ("[http]\nprot = 80\n", {}, r"unknown field `prot` - at `\$\.http`"),
        ("[http]\nport = 0\n", {}, r"at `\$\.http\.port`"),
        ("[http]\nport = 'many'\n", {}, r"at `\$\.http\.port`"),
        ("", {"EDGEWARDEN_HTTP__PORT": "70000"}, "EDGEWARDEN_HTTP__PORT"),
        ("name = 'x'\n", {"EDGEWARDEN_NAME__FIRST": "y"}, "`name` is a value, not a section"),
        ("[http\n", {}, r"settings\.toml"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_the_place(tmp_path, text, environment, why):
    with pytest.raises(ConfigError, match=why) as caught:
        loaded(tmp_path, text, **environment)
    assert "\n" not in str(caught.value)


class Kind(Section, frozen=True):
    mode: Literal["observe", "enforce"] | None = None


class Kinds(Section, frozen=True):
    one: Kind = Kind()
    by_name: dict[str, Literal["tcp", "udp"]] = msgspec.field(default_factory=dict)
    several: tuple[Kind, ...] = ()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("[one]\nmode = 'x'\n", "observe, enforce"),
        ("[by_name]\nfirst = 'x'\n", "tcp, udp"),
        ("[[several]]\nmode = 'x'\n", "observe, enforce"),
    ],
)
def test_a_value_that_is_none_of_a_few_is_told_which_there_are(tmp_path, text, values):
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(Kinds, path, {})
    assert {*str(caught.value).rpartition("; one of ")[2].split(", ")} == {*values.split(", ")}


@pytest.mark.parametrize(
    "text", ["[http]\nport = 0\n", "nam = 'x'\n", "[http]\nprot = 1\n", "[htp]\nport = 1\n"]
)
def test_variables_that_have_nothing_to_do_with_an_error_are_not_named(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text, EDGEWARDEN_HTTP__SECURE="true")
    assert "EDGEWARDEN" not in str(caught.value)


def test_the_variable_that_is_wrong_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"\(set by EDGEWARDEN_HTTP__PROT\)$"):
        loaded(tmp_path, "", EDGEWARDEN_HTTP__PROT="1", EDGEWARDEN_HTTP__SECURE="true")


def test_a_variable_of_a_table_with_free_names_is_named_too():
    with pytest.raises(ConfigError, match=r"one of tcp, udp \(set by EDGEWARDEN_BY_NAME__FIRST\)"):
        load_config(Kinds, None, {"EDGEWARDEN_BY_NAME__FIRST": "x"})


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere"):
        load_config(Settings, tmp_path / "nowhere.toml", {})
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="binary"):
        load_config(Settings, tmp_path / "binary.toml", {})


@pytest.mark.parametrize("text", ["[lan1, lan2]", "['lan1','lan2']", '["lan1", "lan2"]'])
def test_a_list_can_stand_in_a_variable(text):
    settings = load_config(Capturing, None, {"EDGEWARDEN_CAPTURE__INTERFACES": text})
    assert settings.capture.interfaces == ("lan1", "lan2")
