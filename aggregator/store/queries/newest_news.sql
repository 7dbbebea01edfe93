SELECT coalesce(max(news), 0) FROM store.alerts;
