-- What ran dry was read back from no kernel, though its device called it verified.
UPDATE store.isolations SET verified = FALSE WHERE enforcement = 'dry_run';
