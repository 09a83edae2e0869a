"""Starting on a machine that is not as it should be: one line that says what to mend."""

import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

from chatbot import embedded
from tests import live
from tests.conftest import Cluster, copy_of


def run_command(*words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chatbot", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", **env},
        cwd=Path(__file__).parent.parent,
    )


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])


def test_a_lost_database_at_start_is_one_line() -> None:
    done = run_command(
        "serve",
        "--port",
        free_port(),
        env={
            "CHATBOT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "CHATBOT_SECRET_KEYS": live.KEY,
        },
    )

    assert done.returncode == 1
    assert done.stderr.startswith("chatbot: database_unavailable: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_taken_port_is_one_line(live_service: live.Live) -> None:
    port = live_service.url.rsplit(":", 1)[1]

    done = run_command("serve", "--port", port, env={})

    assert done.returncode == 1
    assert done.stderr.startswith(f"chatbot: port_taken: 127.0.0.1:{port}")
    assert len(done.stderr.splitlines()) == 1


def test_two_starters_on_a_fresh_directory_take_turns() -> None:
    with tempfile.TemporaryDirectory(prefix="cb-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "chatbot", "org", "list", "--data-dir", f"{folder}/data"]
        starters = [
            subprocess.Popen(
                command, stderr=subprocess.PIPE, text=True, env={"PATH": "/usr/bin:/bin"}
            )
            for _ in range(3)
        ]
        errors = [starter.communicate(timeout=90)[1] for starter in starters]

    assert [starter.returncode for starter in starters] == [0, 0, 0], errors


def test_an_unknown_setting_is_one_line() -> None:
    done = run_command("doctor", env={"CHATBOT_DATABASEURL": "x"})

    assert done.returncode == 1
    assert done.stderr.startswith("chatbot: unknown_setting: CHATBOT_DATABASEURL")


def test_nobody_is_invited_without_the_name_that_visitors_read() -> None:
    done = run_command("staff", "invite", "you@example.org", "--org", "any", env={})

    assert done.returncode == 2
    assert 'Say --name "First Last"' in done.stderr


def test_a_foreign_database_needs_its_secrets_and_a_safe_role(cluster: Cluster) -> None:
    with copy_of(cluster) as urls:
        no_secret = run_command(
            "serve", "--port", free_port(), env={"CHATBOT_DATABASE_URL": urls.app}
        )
        unsafe = run_command(
            "doctor",
            env={"CHATBOT_DATABASE_URL": urls.superuser, "CHATBOT_SECRET_KEYS": live.KEY},
        )
        sound = run_command(
            "doctor", env={"CHATBOT_DATABASE_URL": urls.app, "CHATBOT_SECRET_KEYS": live.KEY}
        )

    assert no_secret.stderr.startswith("chatbot: secret_missing")
    assert unsafe.returncode == 1
    assert "unsafe_role" in unsafe.stdout
    assert sound.returncode in (0, 1), "1 where the front ends are not built"
    assert "ok   schema" in sound.stdout
    assert "ok   row-level security" in sound.stdout


def test_a_schema_that_is_behind_is_named(cluster: Cluster) -> None:
    with psycopg.connect(cluster.of("postgres").superuser, autocommit=True) as link:
        link.execute("create database behind")
    empty = cluster.of("behind")
    with psycopg.connect(empty.superuser) as link:
        link.execute(embedded.BOOTSTRAP_SQL.read_bytes())

    done = run_command(
        "serve",
        "--port",
        free_port(),
        env={"CHATBOT_DATABASE_URL": empty.app, "CHATBOT_SECRET_KEYS": live.KEY},
    )

    assert done.stderr.startswith("chatbot: schema_behind: it is at nothing")
    assert done.returncode == 1
