SELECT
  max_devices, max_users,
  (SELECT count(*) FROM store.devices WHERE organization = $organization),
  (SELECT count(*) FROM store.users WHERE organization = $organization AND is_active)
FROM store.organizations
WHERE organization = $organization;
