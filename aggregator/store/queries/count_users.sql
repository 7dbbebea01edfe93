SELECT count(*) FROM store.users;
