UPDATE store.channels SET
  withheld = withheld + $withheld,
  dropped = dropped + $dropped
WHERE organization = $organization AND id = $channel_id;
