DELETE FROM store.notifications WHERE organization = $organization AND channel_id = $id;
