UPDATE store.terminals SET closed_ns = $closed_ns, reason = $reason
WHERE organization = $organization AND terminal_id = $terminal_id;
