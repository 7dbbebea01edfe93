DELETE FROM store.fresh_counts;
