DELETE FROM store.channels WHERE organization = $organization AND id = $id;
