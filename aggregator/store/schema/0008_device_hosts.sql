-- Where a device is reached and what it is for, as clients of device managers say. Never a password.
ALTER TABLE store.devices ADD COLUMN host VARCHAR;
ALTER TABLE store.devices ADD COLUMN ssh_port INTEGER;
ALTER TABLE store.devices ADD COLUMN ssh_username VARCHAR;
ALTER TABLE store.devices ADD COLUMN description VARCHAR;
