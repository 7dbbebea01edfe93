import subprocess
import sys

import pytest

from runtime.requirements import needing

# A finder that stands for an environment in which some libraries are not installed.
WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from {package}.__main__ import main
sys.exit(main({arguments!r}))
"""


def started(package: str, *names: str, arguments=("--help",)) -> subprocess.CompletedProcess[str]:
    code = WITHOUT.format(names=set(names), package=package, arguments=list(arguments))
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("package", "program", "missing", "file"),
    [
        ("agent", "edgewarden-agent", "msgspec", "agent.txt"),
        ("aggregator", "edgewarden-aggregator", "duckdb", "aggregator.txt"),
        ("model_training", "edgewarden-train", "sklearn", "training.txt"),
    ],
)
def test_a_missing_library_is_one_line_with_what_to_install(package, program, missing, file):
    done = started(package, missing)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{program}: `{missing}` is not installed")
    assert line.endswith(f"-r requirements/{file}")


def test_so_is_one_that_is_only_needed_later(tmp_path):
    capture = str(tmp_path / "home.pcap")
    done = started("agent", "onnxruntime", arguments=("replay", capture))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "`onnxruntime` is not installed" in done.stderr


@pytest.mark.parametrize("name", ["agent.config", "_sqlite3", None])
def test_a_missing_module_of_ours_or_of_python_is_not_hidden(name):
    with (
        pytest.raises(ModuleNotFoundError, match="why"),
        needing("edgewarden-agent", "agent.txt"),
    ):
        raise ModuleNotFoundError("why", name=name)  # noqa: EM101
