(told.attack_type <> known.attack_type
    OR list_position(['low', 'medium', 'high', 'critical'], told.severity)
      > list_position(['low', 'medium', 'high', 'critical'], known.severity))
