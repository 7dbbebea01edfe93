"""Where frames come from: a live ring, scapy, or capture files."""
