s.organization = a.organization
  AND (s.device_id IS NULL OR s.device_id = a.device_id)
  AND (s.attack_type IS NULL OR s.attack_type = a.attack_type)
  AND (s.host IS NULL OR s.host = a.host)
  AND (s.src_ip IS NULL OR s.src_ip = a.src_ip)
  AND (s.dst_ip IS NULL OR s.dst_ip = a.dst_ip)
