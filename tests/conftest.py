"""Rules for every test: where the labelled captures lie, and that CI skips nothing it could run."""

import logging
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent

# A loaded machine is no failure; all else is as hypothesis sets it, in CI or not.
settings.register_profile(
    "patient", settings.get_profile(settings.get_current_profile_name()), deadline=None
)
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    default = os.environ.get("EDGEWARDEN_CAPTURES", str(ROOT.parent / "shared" / "data"))
    parser.addoption("--captures", default=default, help="the folder of labelled captures")


@pytest.fixture(scope="session")
def captures(request: pytest.FixtureRequest) -> Path:
    """The folder of labelled captures; without it the test is skipped."""
    folder = _captures_folder(request.config)
    if not folder.is_dir():
        pytest.skip(f"captures: no folder {folder}")
    return folder


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A program that a test runs in this process sends its logs to that test's stderr, no further."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not hasattr(report, "wasxfail"):
        _fail_if_skipped_in_ci(report, item.config)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped_in_ci(report, collector.config)
    return report


def _fail_if_skipped_in_ci(
    report: pytest.TestReport | pytest.CollectReport, config: pytest.Config
) -> None:
    """Turn a skip into a failure where everything was installed and nothing excuses it."""
    if not os.environ.get("CI") or not report.skipped:
        return
    reason = _reason(report)
    if reason.startswith("kernel:"):  # what this kernel lacks, nobody can install
        return
    if reason.startswith("captures:") and not _captures_folder(config).is_dir():
        return
    report.outcome = "failed"
    report.longrepr = f"skipped in CI, where nothing may be: {reason}"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    where_and_why = report.longrepr
    text = where_and_why[2] if isinstance(where_and_why, tuple) else str(where_and_why)
    return text.removeprefix("Skipped: ")


def _captures_folder(config: pytest.Config) -> Path:
    return Path(config.getoption("--captures"))
