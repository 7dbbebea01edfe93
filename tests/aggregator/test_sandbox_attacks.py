"""What somebody would try who may run one SELECT and wants more."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from aggregator.config import QueryConfig
from aggregator.errors import InvalidError
from aggregator.sandbox.runner import Query, Sandbox
from aggregator.store.archive import Archive
from aggregator.store.database import Database
from aggregator.store.reported import Reported
from aggregator.store.users import NewUser, add_user
from aggregator.store.verdicts import save_verdicts
from tests.aggregator.messages import BOOT, now_ns, verdicts

SECRET = "hash-of-a-password"

REACHING_OUT = (
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM READ_BLOB('/etc/passwd')",
    "SELECT * FROM \"read_text\"('/etc/passwd')",
    "SELECT * FROM main.read_text('/etc/passwd')",
    "SELECT * FROM system.main.read_text('/etc/passwd')",
    "SELECT * FROM read_parquet('/proc/self/cwd/verdicts/*.parquet')",
    "SELECT * FROM read_json_auto('http://127.0.0.1/')",
    "SELECT * FROM glob('/**')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM parquet_metadata('/etc/passwd')",
    "SELECT * FROM sqlite_scan('/etc/passwd', 'x')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'edgewarden.duckdb'",
    'SELECT * FROM "../../edgewarden.duckdb"',
    "SELECT (SELECT count(*) FROM glob('/*'))",
    "SELECT 1 WHERE EXISTS (FROM read_text('/etc/passwd'))",
    "SELECT 1 ORDER BY (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT 1 LIMIT (SELECT size FROM read_text('/etc/passwd'))",
    "WITH x AS MATERIALIZED (FROM read_text('/etc/passwd')) FROM x",
    "SELECT * FROM range(1), LATERAL (FROM read_text('/etc/passwd'))",
    "SELECT list_transform([1], x -> (SELECT content FROM read_text('/etc/passwd')))",
    "SELECT 1 UNION ALL SELECT size FROM read_text('/etc/passwd')",
    "FROM verdicts PIVOT (first((SELECT content FROM read_text('/etc/passwd'))) FOR label IN ('x'))",
    "FROM query('FROM read_text(''/etc/passwd'')')",
    "FROM query_table('/etc/passwd')",
    "FROM json_execute_serialized_sql(json_serialize_sql('FROM read_text(''/etc/passwd'')'))",
    "SELECT getenv('PATH')",
    "SELECT current_setting('allowed_directories')",
    "FROM duckdb_settings()",
    "FROM pg_settings",
    'SELECT 1 WHERE (FROM pg_catalog."PG_Settings" SELECT count(*)) > 0',
    "FROM histogram('pg_settings', setting)",
    "FROM histogram_values(pg_settings, setting, bin_count := 200)",
    "SUMMARIZE pg_settings",
    "SELECT json_serialize_plan('SELECT current_setting(''threads'')', optimize := true)",
    "SELECT (\"json_serialize_plan\"('FROM duckdb_settings()'))",
    "FROM duckdb_secrets()",
    "FROM pragma_database_list()",
    "FROM enable_logging('FileSystem', storage = 'file', storage_path = '/proc/self/cwd/x')",
    "SELECT write_log('x')",
)
CHANGING = (
    "COPY verdicts TO '/tmp/stolen.csv'",
    "COPY (SELECT 1) TO '/dev/stdout'",
    "ATTACH '../../edgewarden.duckdb' AS s",
    "ATTACH ':memory:' AS s",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "SET memory_limit = '100GB'",
    "RESET lock_configuration",
    "SET VARIABLE a = 1",
    "DROP VIEW verdicts",
    "CREATE TABLE x AS FROM range(10)",
    "CREATE MACRO x() AS 1",
    "INSERT INTO verdicts SELECT 1",
    "DELETE FROM verdicts",
    "EXPORT DATABASE 'x'",
    "CHECKPOINT",
    "CALL pragma_version()",
    "PREPARE x AS SELECT 1",
    "EXECUTE x",
    "BEGIN",
    "USE main",
    "VACUUM",
    "EXPLAIN ANALYZE SELECT 1",
)
HIDING = (
    "SELECT 1; DROP VIEW verdicts",
    "DROP VIEW verdicts; SELECT 1",
    "SELECT 1; SELECT 2",
    "SELECT 1 /* ; */; DELETE FROM verdicts",
    "SELECT ';'; COPY (SELECT 1) TO 'x'",
    "SELECT 1) AS x; DROP VIEW verdicts; SELECT * FROM (SELECT 1",
    "SELECT 1) UNION ALL (SELECT 2",
    "SELECT $$;$$; SET threads = 4",
    "",
    ";",
    "-- nothing",
    "/* unfinished",
)
BOMBS = (
    "SELECT count(*) FROM range(1000000000000)",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
    "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000000) c",
    "WITH RECURSIVE t(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM t) SELECT max(s) FROM t",
    "SELECT repeat('x', 4000000000)",
    "SELECT string_agg(uuid()::VARCHAR, '') FROM range(1000000000)",
    "SELECT list(range) FROM range(10000000000)",
    "SELECT DISTINCT random() FROM range(10000000000)",
    "SELECT * FROM range(100000000) ORDER BY random()",
    "SELECT regexp_matches(repeat('a', 100000000), '(a*)*b')",
    "SELECT 2 ** 1000000 FROM range(100000000000) WHERE range = -1",
    "SELECT " + "(" * 9_000 + "1" + ")" * 9_000,
    "SELECT 1" + " + 1" * 4_000,
    "SELECT NOT " * 4_000 + "true",
)


@pytest_asyncio.fixture
async def sandbox(database: Database) -> AsyncIterator[Sandbox]:
    user = NewUser(organization="default", username="ada", password_hash=SECRET, role="viewer")
    await add_user(database, user, 1)
    archive = Archive(database)
    await archive.open()
    for organization in ("elsewhere", "default"):
        stored = Reported(organization, f"{organization}-pi", BOOT, now_ns(), verdicts())
        await database.write(*save_verdicts([stored]))
    yield Sandbox(database, archive, QueryConfig(seconds=2))


async def ask(sandbox: Sandbox, sql: str) -> str:
    return (await sandbox.run(Query(organization="default", sql=sql))).body.decode()


async def said(sandbox: Sandbox, sql: str) -> str:
    with pytest.raises(InvalidError) as caught:
        await ask(sandbox, sql)
    return str(caught.value)


async def test_no_statement_reaches_a_file_a_setting_or_the_network(
    sandbox: Sandbox, tmp_path: Path
):
    for sql in REACHING_OUT:
        words = await said(sandbox, sql)
        assert str(tmp_path) not in words, sql
        assert "root:" not in words, sql


async def test_no_statement_changes_anything(sandbox: Sandbox):
    for sql in CHANGING:
        assert "only SELECT is allowed here" in await said(sandbox, sql), sql
    assert json.loads(await ask(sandbox, "SELECT count(*) FROM verdicts"))["rows"] == [[2]]


async def test_nothing_hides_behind_a_select(sandbox: Sandbox):
    for sql in HIDING:
        await said(sandbox, sql)


@pytest.mark.slow
@pytest.mark.parametrize("sql", BOMBS, ids=lambda sql: sql[:40])
async def test_a_bomb_goes_off_alone(sandbox: Sandbox, sql: str):
    with contextlib.suppress(InvalidError):
        await ask(sandbox, sql)
    assert json.loads(await ask(sandbox, "SELECT 1"))["rows"] == [[1]]


async def test_a_catalogue_names_no_path_no_secret_and_nobody_else(
    sandbox: Sandbox, tmp_path: Path
):
    for relation in (
        *(
            "information_schema.tables",
            "information_schema.columns",
            "information_schema.schemata",
        ),
        *("duckdb_columns()", "duckdb_views()", "duckdb_tables()", "pg_catalog.pg_class"),
        *("sqlite_master", "duckdb_databases", "duckdb_schemas", "duckdb_logs"),
    ):
        shown = await ask(sandbox, f"FROM {relation}")
        for secret in (str(tmp_path), "password", "api_key", "elsewhere", SECRET):
            assert secret not in shown, (relation, secret)


async def test_what_is_no_view_is_not_there(sandbox: Sandbox):
    for table in ("store.users", "store.verdicts", "store.sessions", "users", "store.devices"):
        assert "does not exist" in await said(sandbox, f"FROM {table}")
