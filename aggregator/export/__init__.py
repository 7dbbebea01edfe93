"""Alerts for other systems: as Suricata writes them (EVE JSON), or as CEF; to files and syslog."""
