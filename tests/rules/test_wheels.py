"""Every runtime dependency, as locked, has a wheel for 64-bit Raspberry Pi OS."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
REGISTRY_UNREACHABLE = 2  # uv's exit code; what cannot be resolved gives 1


def resolve(requirements: Path, python: str, target: Path) -> str:
    """Resolve for the other machine; return what is wrong, or nothing."""
    uv = Path(sys.executable).parent / "uv"
    command: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--dry-run",
        "--no-config",
        "--require-hashes",
    ]
    command += ["--python-platform", "aarch64-manylinux_2_28", "--python-version", python]
    command += ["--only-binary", ":all:", "--target", target, "--requirements", requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == REGISTRY_UNREACHABLE:
        pytest.skip(f"the package registry cannot be reached: {done.stderr[-300:]}")
    return done.stderr if done.returncode else ""


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("extra", ["agent", "aggregator", "training"])
def test_a_pi_installs_every_extra_without_a_compiler(extra: str, python: str, tmp_path: Path):
    assert not resolve(ROOT / "requirements" / f"{extra}.txt", python, tmp_path)


@pytest.mark.slow
def test_a_distribution_without_a_wheel_would_be_noticed(tmp_path: Path):
    source_only = tmp_path / "source-only.txt"
    source_only.write_text(f"pyminizip==0.2.6 --hash=sha256:{'0' * 64}\n")
    assert "no usable wheels" in resolve(source_only, "3.13", tmp_path)
