import os
import secrets
import socket
from collections.abc import Iterator

import pytest

from runtime import systemd


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path, monkeypatch) -> Iterator[socket.socket]:
    if request.param == "path":
        name = told = str(tmp_path / "notify")
    else:
        word = "edgewarden-test-" + secrets.token_hex(4)
        name, told = "\0" + word, "@" + word
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", told)
        yield listener


def test_the_manager_hears_a_state(manager):
    systemd.notify("READY=1\nSTATUS=watching lan1")
    assert manager.recv(1024) == b"READY=1\nSTATUS=watching lan1"


@pytest.mark.parametrize("address", [None, "", "relative/path"])
def test_without_a_manager_nothing_happens(monkeypatch, caplog, address):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    systemd.notify("READY=1")
    assert caplog.records == []


def test_a_manager_that_does_not_listen_is_logged_and_work_goes_on(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    systemd.notify("WATCHDOG=1")
    assert [record.getMessage() for record in caplog.records] == ["notify_failed"]


def test_the_watchdog_is_fed_twice_in_its_timeout(monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert systemd.watchdog_interval_s() == 15.0
    monkeypatch.delenv("WATCHDOG_PID")
    assert systemd.watchdog_interval_s() == 15.0


@pytest.mark.parametrize("microseconds", [None, "", "0", "soon"])
def test_without_a_timeout_there_is_no_watchdog(monkeypatch, microseconds):
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    if microseconds is not None:
        monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    assert systemd.watchdog_interval_s() is None


def test_another_process_s_watchdog_is_not_ours(monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert systemd.watchdog_interval_s() is None


def test_a_credential_is_a_file_that_systemd_handed_over(monkeypatch, tmp_path):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert systemd.credential("broker_password") is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert systemd.credential("broker_password") is None
    (tmp_path / "broker_password").write_text("secret")
    assert systemd.credential("broker_password") == tmp_path / "broker_password"
