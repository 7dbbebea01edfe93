"""The fuzzer's first seeds, and the seeds that once found something."""

from pathlib import Path

import pytest

from tests.fuzz.__main__ import Fuzzer

# 1, 1793: a time at the end of int64 made a window whose end was none.
FOUND = (1, 1793)


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Fuzzer:
    folder = tmp_path_factory.mktemp("fuzz")
    return Fuzzer(folder, folder / "findings")


@pytest.mark.parametrize("seed", [*FOUND, *range(2000, 2040)])
def test_mutated_input_raises_nothing_but_the_documented_error(fuzzer: Fuzzer, seed: int):
    before = fuzzer.findings
    fuzzer.once(seed)
    assert fuzzer.findings == before, max(Path(fuzzer.out).iterdir()).read_text()
