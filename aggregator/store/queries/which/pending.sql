(
  pending OR k.device_id IN (
    SELECT r.device_id FROM store.removed_devices AS r WHERE r.organization = $organization
  )
)
