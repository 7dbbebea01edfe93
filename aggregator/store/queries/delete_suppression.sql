DELETE FROM store.suppressions WHERE organization = $organization AND id = $id RETURNING id;
