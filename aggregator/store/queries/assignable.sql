SELECT count(*)
FROM store.users
WHERE organization = $organization AND username = $username AND is_active AND role <> 'viewer';
