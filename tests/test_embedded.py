"""The embedded server: shared by commands, stopped by the last, unharmed by kills."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from chatbot import embedded
from chatbot.errors import StartupError

HOLDER = """
import sys, time
from pathlib import Path
from chatbot import embedded
with embedded.running(Path(sys.argv[1]), durable=False) as urls:
    print("up", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cb-", ignore_cleanup_errors=True) as name:
        yield Path(name) / "data"


def hold(folder: Path) -> subprocess.Popen[str]:
    """Another process that uses the server."""
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert other.stdout
    assert other.stdout.readline() == "up\n"
    return other


def answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def test_what_was_written_survives_a_restart_and_the_last_user_stops_the_server(
    folder: Path,
) -> None:
    with embedded.running(folder, durable=False) as urls, psycopg.connect(urls.superuser) as link:
        link.execute("create table kept (word text)")
        link.execute("insert into kept values ('here')")
    stopped = not answers(urls.superuser)

    with embedded.running(folder, durable=False) as again, psycopg.connect(again.superuser) as link:
        kept = link.execute("select word from kept").fetchone()

    assert stopped
    assert kept == ("here",)


def test_two_users_share_one_server(folder: Path) -> None:
    other = hold(folder)
    with embedded.running(folder, durable=False) as urls:
        shared = answers(urls.app)
    still_there = answers(urls.app)
    other.send_signal(signal.SIGINT)
    other.wait(30)
    other.communicate()

    assert shared
    assert still_there
    assert not answers(urls.app)


def test_a_killed_user_leaves_nothing_to_mend(folder: Path) -> None:
    other = hold(folder)
    other.kill()
    other.communicate()

    with embedded.running(folder, durable=False) as urls:
        attached = answers(urls.app)

    assert attached
    assert not answers(urls.app)


def test_a_killed_server_is_started_again(folder: Path) -> None:
    with embedded.running(folder, durable=False) as urls:
        pid = int((folder / "pg" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
    with embedded.running(folder, durable=False):
        recovered = answers(urls.app)

    assert recovered


def test_a_number_in_the_lock_that_now_belongs_to_another_program_is_no_server(
    folder: Path,
) -> None:
    with embedded.running(folder, durable=False):
        lock = (folder / "pg" / "postmaster.pid").read_text()
    _, _, rest = lock.partition("\n")
    (folder / "pg" / "postmaster.pid").write_text(f"{os.getppid()}\n{rest}")

    with embedded.running(folder, durable=False) as urls:
        recovered = answers(urls.app)

    assert recovered


def test_only_the_owner_can_look_inside(folder: Path) -> None:
    with embedded.running(folder, durable=False):
        modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}

    assert modes[folder.name] == 0o700
    assert modes["passwords.json"] == 0o600


def test_a_path_too_long_for_a_socket_is_said_at_once(folder: Path) -> None:
    with pytest.raises(StartupError, match="data_dir_too_long"):
        embedded.running(folder / ("x" * 100)).__enter__()


def test_data_in_use_or_not_ours_is_not_deleted(folder: Path) -> None:
    with (
        embedded.running(folder, durable=False),
        pytest.raises(StartupError, match="data_dir_in_use"),
    ):
        embedded.forget(folder)
    embedded.forget(folder)
    gone = not folder.exists()
    folder.mkdir()
    (folder / "letters.txt").write_text("dear")
    with embedded.running(folder, durable=False):
        pass
    embedded.forget(folder)
    with pytest.raises(StartupError, match="not_a_data_dir"):
        embedded.forget(folder)

    assert gone
    assert [path.name for path in folder.iterdir()] == ["letters.txt"]
