DELETE FROM store.invites
WHERE organization = $organization AND id = $invite_id
RETURNING id;
