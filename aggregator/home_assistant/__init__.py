"""Home Assistant: every device of an organization as one of its devices, by MQTT discovery."""
