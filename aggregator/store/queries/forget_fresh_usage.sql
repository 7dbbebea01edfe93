DELETE FROM store.fresh_usage;
