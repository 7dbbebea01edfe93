"""Where systemd takes the files from that it hands to our services."""

from pathlib import Path

import pytest

from runtime.credentials import kept_as, unreadable


def test_a_credential_of_our_units_is_kept_in_the_folder_that_they_load():
    handed = Path("/run/credentials/edgewarden-agent.service/broker_ca.crt")
    assert kept_as(handed) == Path("/etc/edgewarden/credentials/agent/ca.crt")
    handed = Path("/run/credentials/edgewarden-aggregator.service/broker_a_b.key")
    assert kept_as(handed) == Path("/etc/edgewarden/credentials/aggregator/a_b.key")
    for unit in ("edgewarden-agent", "edgewarden-aggregator"):
        text = (Path(__file__).parents[2] / "systemd" / f"{unit}.service").read_text()
        role = unit.removeprefix("edgewarden-")
        assert f"\nLoadCredential=broker:/etc/edgewarden/credentials/{role}\n" in text


@pytest.mark.parametrize(
    "path", ["/srv/keys/ca.crt", "/run/credentials/other.service/broker_ca.crt", "ca.crt"]
)
def test_other_files_are_nobody_elses(path: str):
    assert kept_as(Path(path)) is None
    error = OSError(2, "No such file or directory")
    assert unreadable(Path(path), error) == f"{path}: No such file or directory"


def test_what_is_missing_is_told_with_where_to_put_it():
    handed = Path("/run/credentials/edgewarden-agent.service/broker_client.key")
    told = unreadable(handed, OSError(2, "No such file or directory"))
    assert (
        "for the service systemd makes it of /etc/edgewarden/credentials/agent/client.key: put it there"
        in told
    )
