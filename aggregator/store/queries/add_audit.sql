INSERT INTO store.audit (organization, at_ns, user_id, username, action, target, detail)
VALUES ($organization, $now_ns, $user_id, $username, $action, $target, $detail);
