"""Every row belongs to an organization, and no query reads or changes rows without naming it."""

import re
from pathlib import Path

import pytest

from aggregator.store.texts import sql

STORE = Path(__file__).parents[2] / "aggregator" / "store"
QUERIES = {path.stem: sql(path.stem) for path in sorted((STORE / "queries").glob("*.sql"))}

# What belongs to nobody by itself, and why.
WITHOUT = {
    "refresh_tokens": "belongs to a session",
    "sessions": "belongs to a user",
    "verdicts": "belongs to a judge",
}
# Whose rows say it for those of another table, which no query may use alone.
SAID_BY = {"verdicts": "judges"}
# What asks before it is known who asks, or on behalf of the centre itself.
ACROSS = {
    "all_channels": "sending goes through all of them; answers with the organization",
    "archive_parts": "the archive itself, which keeps all organizations",
    "fold_days": "what was noted of all of them, to each its own",
    "fold_hours": "what was noted of all of them, to each its own",
    "fold_minutes": "what was noted of all of them, to each its own",
    "fold_usage": "what was noted of all of them, to each its own",
    "forget_alert_changes": "what has no alert any more, whose ever it was",
    "forget_alerts": "what is too old, whose ever it was",
    "forget_commands": "what is too old, whose ever it was",
    "forget_day_counts": "what is too old, whose ever it was",
    "forget_fresh_counts": "what was folded, whose ever it is",
    "forget_fresh_usage": "what was folded, whose ever it is",
    "forget_hour_counts": "what is too old, whose ever it was",
    "forget_minute_counts": "what is too old, whose ever it was",
    "forget_archived_health": "what is too old, whose ever it was",
    "forget_archived_logs": "what is too old, whose ever it was",
    "forget_archived_packets": "what is too old, whose ever it was",
    "forget_archived_readings": "what is too old, whose ever it was",
    "keep_last_readings": "what is about to leave the database, whose ever it was",
    "trim_last_readings": "what is too old or too much, whose ever it was",
    "forget_archived_verdicts": "what is too old, whose ever it was",
    "forget_notifications": "what is over, whoever was told",
    "forget_judges": "who judged nothing that is still here, whose ever it was",
    "forget_incidents": "what has no alerts any more, whose ever it was",
    "forget_isolations": "what is too old, whose ever it was",
    "organizations_to_archive": "all of them, for the archive itself",
    "add_presence_events": "the centre notices who came and who went, in every organization",
    "outliving": "what has outlived its suppression, whose ever it is; answers with the organization",
    "presence_changes": "the centre looks after everybody; answers with the organization",
    "stop_all_vouching": "at the start no socket is open, of whomever",
    "update_presence": "the centre notices who came and who went, in every organization",
    "add_user": "a name is taken for everybody: who signs in says no organization",
    "close_terminals": "whatever was open when the centre ended, whosever it was",
    "count_organizations": "all of them, for who runs the installation",
    "count_users": "whether there is anybody",
    "device_by_key": "the key says whose it is",
    "broker_logins": "what the broker is to know, whose ever it is; answers with the organization",
    "due_models": "the centre tells everybody what is wanted; answers with the organization",
    "due_modes": "the centre tells everybody what is wanted; answers with the organization",
    "keeping": "retention: what plans say; answers with the organization",
    "model_files": "which files are anybody's; answers with the organization",
    "note_forgotten_alerts": "what is too old, whose ever it was",
    "note_drift": "the centre compares everybody with what is wanted",
    "due_commands": "what the broker is to be given, whoever asked for it",
    "due_notifications": "what is to be sent, whoever is told; answers with the organization",
    "enrolment_by_code": "the code says whose it is",
    "every_organization": "whose messages are taken, for ingest itself",
    "expired_decisions": "what is past its time, whoever decided it; answers with the organization",
    "expire_commands": "what is past its time, whoever asked for it",
    "forget_api_tokens": "what is over, whoever had it",
    "forget_enrolments": "what is over, whoever made it",
    "forget_invites": "what is over, whoever had it",
    "forget_watermarks": "what is too old, whose ever it was",
    "forget_suppressions": "what is over for long, whoever wanted it",
    "invite_by_token": "the invite says whose it is",
    "known_alerts": "ingest: what of a batch is stored; answers with the organization",
    "move_channels": "how far sending has looked, for all of them",
    "newest_news": "how far there is something to look at, of whomever",
    "note_login": "by the number of who has just signed in",
    "note_token_use": "by the number of the token that was just shown",
    "organizations": "all of them, for who runs the installation",
    "untold_turns": "a channel is told of its own organization's alone; answers with it",
    "untold_alerts": "a channel is told of its own organization's alone; answers with it",
    "save_judges": "ingest: a judge's number is made of its organization, too",
    "save_verdicts": "ingest: beside their judges, who say whose they are",
    "stretch_incidents": "ingest: what a batch brought, to incidents of the same organization",
    "trim_rejects": "the oldest, whoever sent them",
    "use_enrolment": "the code says whose it is",
    "use_invite": "the invite says whose it is",
    "wrong_clocks": "ingest: which clocks are wrong, of all devices; answers with the organization",
    "user_by_name": "who signs in says no organization",
    "holders": "sessions say whose they are",
    "user_of_token": "the token says whose it is",
    "verify_audit": "all of them, on the command line",
}
USE = re.compile(r"\b(FROM|JOIN|UPDATE|INTO)\s+store\.(\w+)(?:\s+AS\s+(\w+))?")


def owned() -> set[str]:
    """Return the tables whose rows say which organization they belong to."""
    schema = "\n".join(path.read_text() for path in sorted((STORE / "schema").glob("*.sql")))
    renamed = dict(re.findall(r"ALTER TABLE store\.(\w+) RENAME TO (\w+)", schema))
    tables = re.findall(r"CREATE TABLE store\.(\w+) \((.*?)\n\);", schema, flags=re.DOTALL)
    last = {renamed.get(name, name): columns for name, columns in tables}
    lacking = {name for name, columns in last.items() if "organization VARCHAR" not in columns}
    assert lacking == WITHOUT.keys(), "every row belongs to an organization"
    return last.keys() - lacking


def unnamed(query: str) -> list[str]:
    """Return the tables that a query uses without naming the organization."""
    found = []
    optional = re.search(r"\$organization(::VARCHAR)? IS NULL", query)
    used = USE.findall(query)
    for verb, table, alias in used:
        if table in SAID_BY and not any(other == SAID_BY[table] for _, other, _ in used):
            found.append(table)
        column = rf"\b{alias}\.organization" if alias else r"(?<![.\w])organization"
        named = r"[\s,]" if verb == "INTO" else r"\s*="
        if table in owned() and (optional or not re.search(column + named, query)):
            found.append(table)
    return found


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_names_the_organization_for_every_table_it_uses(name: str):
    assert bool(unnamed(QUERIES[name])) == (name in ACROSS), unnamed(QUERIES[name])


def test_a_query_that_forgets_the_organization_would_be_noticed():
    assert unnamed("SELECT id FROM store.alerts WHERE id = $id")
    assert unnamed("UPDATE store.users AS u SET role = $role WHERE u.id = $id")
    assert unnamed("SELECT id FROM store.alerts WHERE $organization IS NULL OR organization = 1")
    assert unnamed("SELECT host FROM store.verdicts WHERE judge_id = $judge")
    assert not unnamed("SELECT id FROM store.alerts WHERE organization = $organization")


def test_whoever_is_exempt_is_there():
    assert ACROSS.keys() <= QUERIES.keys()
