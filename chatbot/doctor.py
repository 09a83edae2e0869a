"""Is this install sound? One line a check; `serve` refuses what must never run."""

from collections.abc import Sequence

import msgspec
import psycopg
from psycopg.rows import DictRow, dict_row
from redis import Redis
from redis.exceptions import RedisError

from chatbot import descriptors, pages
from chatbot.errors import StartupError
from chatbot.settings import Settings
from migrations import run

CONNECT_TIMEOUT_S = 5
POSTGRES_MIN = 150_000
PGVECTOR_MIN = (0, 8, 4)
REDIS_WITHIN_S = 2
WITHOUT_REDIS = (
    "Words of an answer reach windows at another process once a second; typing and presence do not"
    " reach them. Set CHATBOT_REDIS_URL."
)

_ROLE = "select rolsuper, rolbypassrls from pg_roles where rolname = current_user"
_OWNED = (
    "select count(*) as owned from pg_class where relnamespace = 'public'::regnamespace"
    " and relowner = (select oid from pg_roles where rolname = current_user)"
)
_MEMBER = "select pg_has_role(current_user, 'chatbot_app', 'member') as member"
_UNFORCED = (
    "select coalesce(string_agg(relname, ', ' order by relname), '') as names from pg_class"
    " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
    " and relname <> 'alembic_version' and not (relrowsecurity and relforcerowsecurity)"
)
# Every web process has one relay, which says so to the database.
_LISTENING = (
    "select count(*) as count from pg_stat_activity"
    " where datname = current_database() and application_name = 'chatbot relay'"
)


class Finding(msgspec.Struct, frozen=True):
    """One line of the report; `fatal` ones keep the service from starting."""

    name: str
    ok: bool
    text: str
    fatal: bool = True


def examine(settings: Settings) -> list[Finding]:
    """Every check, in the order an operator would mend things."""
    findings, processes = _database(settings)
    findings.append(_secrets(settings))
    findings.append(_origin(settings))
    built = "built" if pages.are_built() else pages.NOT_BUILT
    findings.append(Finding("front ends", pages.are_built(), built, fatal=False))
    findings += [_model(settings), _embeddings(settings), _large(settings)]
    findings += [_redis(settings, processes), _descriptors(settings)]
    return findings


def refuse_unsound(settings: Settings) -> None:
    """StartupError with the first fatal finding."""
    for finding in examine(settings):
        if finding.fatal and not finding.ok:
            raise StartupError(finding.text)


def _database(settings: Settings) -> tuple[list[Finding], int]:
    """What is found in there, and how many web processes share it: none, while it is not sound."""
    try:
        with psycopg.Connection[DictRow].connect(
            settings.database_url, connect_timeout=CONNECT_TIMEOUT_S, row_factory=dict_row
        ) as link:
            return _inside(link, settings)
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[-1]
        text = f"database_unavailable: {reason}. Check CHATBOT_DATABASE_URL and the server."
        return [Finding("database", False, text)], 0


def _inside(link: psycopg.Connection[DictRow], settings: Settings) -> tuple[list[Finding], int]:
    version = link.info.server_version
    findings = [
        Finding(
            "database",
            version >= POSTGRES_MIN,
            f"Postgres {version // 10_000}.{version % 10_000}"
            if version >= POSTGRES_MIN
            else "old_postgres: Postgres 15 or newer is needed.",
        )
    ]
    vector = _one(
        link, "select max(extversion) as version from pg_extension where extname='vector'"
    )
    findings.append(_pgvector(vector["version"]))
    if not all(finding.ok for finding in findings):
        return findings, 0
    schema = _schema(run.current(settings.database_url))
    findings.append(schema)
    if not schema.ok:
        return findings, 0
    processes = int(_one(link, _LISTENING)["count"])
    return [*findings, *_rights(link), _nodes(settings, processes)], processes


def _schema(current: str | None) -> Finding:
    if current and not run.knows(current):
        # In the middle of an upgrade a node of the release before may have to start again.
        text = f"{current}, newer than this code: sound for the next release, no further"
        return Finding("schema", True, text)
    if current and current == run.head():
        return Finding("schema", True, current)
    at = current or "nothing"
    behind = f"schema_behind: it is at {at}, needs {run.head()}. Run: chatbot migrate"
    return Finding("schema", False, behind)


def _nodes(settings: Settings, processes: int) -> Finding:
    """What is lost when several web processes share this database without Redis."""
    text = f"{processes} web process(es) at the moment"
    if processes > 1 and not settings.redis_url:
        text = f"{text}, without Redis. {WITHOUT_REDIS}"
    return Finding("nodes", True, text, fatal=False)  # less is heard at once, nothing is wrong


def _descriptors(settings: Settings) -> Finding:
    """Whether as many sockets can be open as the limits let in."""
    wanted, most = descriptors.wanted(settings.limits), descriptors.possible()
    text = f"at least {wanted:,} can be had"
    if most < wanted:
        text = (
            f"few_descriptors: {most:,} can be had, {wanted:,} are wanted. Raise `ulimit -Hn`"
            " (systemd: LimitNOFILE), or lower CHATBOT_LIMIT_SOCKETS_PER_PROCESS."
        )
    return Finding("descriptors", most >= wanted, text, fatal=False)


def _redis(settings: Settings, processes: int = 0) -> Finding:
    """Whether the way between the nodes is open."""
    if not settings.redis_url:
        enough = "fine for one process" if processes <= 1 else f"{processes} processes want one"
        return Finding("redis", True, f"none: {enough}", fatal=False)
    try:
        with Redis.from_url(
            settings.redis_url,
            socket_timeout=REDIS_WITHIN_S,
            socket_connect_timeout=REDIS_WITHIN_S,
            protocol=2,  # as the service speaks with it
        ) as redis:
            redis.ping()
    except ValueError:
        text = "bad_setting: CHATBOT_REDIS_URL must begin with redis://, rediss:// or unix://."
        return Finding("redis", False, text)
    except RedisError as error:
        reason = f"redis_unavailable: {type(error).__name__}. Check CHATBOT_REDIS_URL."
        return Finding("redis", False, f"{reason} {WITHOUT_REDIS}", fatal=False)
    return Finding("redis", True, "answers", fatal=False)


def _rights(link: psycopg.Connection[DictRow]) -> list[Finding]:
    role, owned = _one(link, _ROLE), _one(link, _OWNED)["owned"]
    sound = not (role["rolsuper"] or role["rolbypassrls"] or owned)
    member = bool(_one(link, _MEMBER)["member"])
    text = "sees one organisation at a time"
    if not sound:
        text = (
            "unsafe_role: the run-time role must not be a superuser, bypass row-level security,"
            " or own tables. Use a role made with: create role … login in role chatbot_app"
        )
    elif not member:
        text = "missing_grant: the run-time role is no member of chatbot_app."
    names = _one(link, _UNFORCED)["names"]
    unforced = f"row_security_off: row-level security is not forced on {names}."
    return [
        Finding("role", sound and member, text),
        Finding("row-level security", not names, unforced if names else "forced on every table"),
    ]


def _pgvector(version: str | None) -> Finding:
    if version is None:
        text = "no_pgvector: run migrations/sql/bootstrap.sql as a superuser, in this database."
        return Finding("pgvector", False, text)
    parts = tuple(int(part) for part in version.split(".") if part.isdecimal())
    old = f"old_pgvector: {version} has known index faults; 0.8.4 or newer is needed."
    return Finding("pgvector", parts >= PGVECTOR_MIN, version if parts >= PGVECTOR_MIN else old)


def _secrets(settings: Settings) -> Finding:
    missing = "secret_missing: set CHATBOT_SECRET_KEYS. Make one with: openssl rand -base64 48"
    count = len(settings.secret_keys)
    return Finding("secrets", count > 0, f"{count} signing key(s)" if count else missing)


def _origin(settings: Settings) -> Finding:
    local = settings.public_url.startswith(("http://localhost", "http://127.0.0.1"))
    secure = settings.public_url.startswith("https://") or local
    text = settings.public_url if secure else f"{settings.public_url}: browsers need https here"
    return Finding("public address", secure, text, fatal=False)


def _model(settings: Settings) -> Finding:
    if settings.model == "extractive":
        return Finding(
            "model", True, "extractive: quotes the documents, no key needed", fatal=False
        )
    text = f"{settings.model} at {settings.openai_base_url}"
    keyed = _is_keyed(settings)
    return Finding(
        "model", keyed, text if keyed else f"{text}: OPENAI_API_KEY is missing", fatal=False
    )


def _embeddings(settings: Settings) -> Finding:
    if settings.embeddings == "local":
        text = "local: vectors from the package, no key needed"
        return Finding("embeddings", True, text, fatal=False)
    keyed = _is_keyed(settings)
    text = f"{settings.embeddings} at {settings.openai_base_url}"
    return Finding(
        "embeddings", keyed, text if keyed else f"{text}: OPENAI_API_KEY is missing", fatal=False
    )


def _is_keyed(settings: Settings) -> bool:
    """Whether there is a key, or an endpoint on this machine, which needs none."""
    local = "localhost" in settings.openai_base_url or "127.0.0.1" in settings.openai_base_url
    return bool(settings.openai_api_key) or local


def _large(settings: Settings) -> Finding:
    """Whether large organisations can get an approximate index."""
    text = (
        "indexed by the jobs"
        if settings.database_owner_url
        else (
            "compared exactly, slower past 50,000 passages: set CHATBOT_DATABASE_OWNER_URL where"
            " the jobs run"
        )
    )
    return Finding("large vectors", True, text, fatal=False)  # slower is no failure


def _one(link: psycopg.Connection[DictRow], query: str) -> DictRow:
    row = link.execute(query.encode()).fetchone()
    return row or {}


def lines(findings: Sequence[Finding]) -> list[str]:
    """The report as printed."""
    width = max(len(finding.name) for finding in findings)
    return [
        f"{'ok  ' if finding.ok else 'FAIL'} {finding.name:<{width}}  {finding.text}"
        for finding in findings
    ]
