UPDATE store.devices SET
  host = $host, ssh_port = $ssh_port, ssh_username = $ssh_username, description = $description,
  ssh_password = $ssh_password::BLOB
WHERE organization = $organization AND device_id = $device_id;
