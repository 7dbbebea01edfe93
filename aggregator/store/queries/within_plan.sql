SELECT TRUE
WHERE NOT EXISTS (
  SELECT 1 FROM store.organizations AS o
  WHERE o.organization = $organization AND (
    (
      $devices::BOOLEAN AND o.max_devices < (
        SELECT count(*) FROM store.devices WHERE organization = $organization
      )
    ) OR (
      $users::BOOLEAN AND o.max_users < (
        SELECT count(*) FROM store.users WHERE organization = $organization AND is_active
      )
    )
  )
);
