"""What devices tell over MQTT: decoded, put in order, stored exactly once, receipted, announced."""
