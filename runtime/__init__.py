"""How a process of ours runs: configuration, logs, broker, service manager."""
