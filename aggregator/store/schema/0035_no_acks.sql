-- What devices said of commands, whether or not there was such a command, and nobody ever read it: what counts of
-- it is in `commands`.
DROP TABLE store.command_acks;
