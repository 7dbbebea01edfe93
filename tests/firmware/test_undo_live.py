"""provision.sh --undo on a machine that runs: nobody stays cut off. Only systemctl is a note-taker."""

from pathlib import Path

import pytest

from tests.firmware.namespaces import FIRMWARE, in_namespace

PROVISION = FIRMWARE / "provision.sh"
TABLES = FIRMWARE / "nftables" / "edgewarden-base.nft"
LIVE = """
cp /etc/protocols "$3"
for folder in /run /etc /var/lib /boot; do mount -t tmpfs none "$folder"; done
cp "$3/protocols" /etc
mkdir -p /run/systemd/system "$3/bin"
cat >"$3/bin/systemctl" <<END
#!/bin/sh
echo "\\$*" >>$3/log
case "\\$*" in *is-enabled*) exit 1 ;; esac
END
chmod +x "$3/bin/systemctl"
PATH=$3/bin:$PATH
"$1" --role agent --no-network $4 >"$3/told"
nft -f "$2"
nft add element bridge edgewarden isolated_macs '{ 02:00:00:00:00:0b timeout 1h }'
nft add table inet somebody_elses
"$1" --undo >>"$3/told"
nft list tables
"""


@pytest.mark.root
@pytest.mark.parametrize("more", ["", "--no-firewall"])
def test_undo_stops_the_agent_first_and_leaves_no_rule_of_ours(tmp_path: Path, more: str) -> None:
    left = in_namespace(LIVE, PROVISION, TABLES, tmp_path, more, mounts=True)
    assert left == "table inet somebody_elses\n"
    stops = [line for line in (tmp_path / "log").read_text().splitlines() if line[:5] == "stop "]
    units = ["stop edgewarden-agent.service", "stop edgewarden-firewall.service"]
    assert stops == units[: 1 if more else 2]
