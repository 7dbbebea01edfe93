UPDATE store.terminals SET closed_ns = $closed_ns, reason = 'the aggregator ended'
WHERE closed_ns IS NULL;
