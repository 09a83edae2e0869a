"""docs/operations/runbooks.md: every code has its place, and what is to be pasted works."""

import re
from pathlib import Path
from uuid import UUID

import psycopg
from prometheus_client import Counter, Gauge, Histogram

from chatbot import embedded, settings
from chatbot.realtime import codes, metrics
from tests.conftest import copy_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations" / "runbooks.md").read_text()


def test_every_code_is_in_the_table_that_one_begins_with() -> None:
    table = PAGE.partition("| you see |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([a-z_]+)`", table))
    by_limits = set(re.findall(r"^\| `(too_many_[a-z]+)` \|", PAGE, re.MULTILINE))

    assert set(codes.CATALOGUE) <= named | by_limits


def test_every_link_within_the_page_leads_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9_ -]", "", each.lower()).replace(" ", "-") for each in headings}

    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors


def test_every_number_and_limit_exists() -> None:
    there = {
        family.name + ("_total" if isinstance(each, Counter) else "")
        for each in vars(metrics).values()
        if isinstance(each, Counter | Gauge | Histogram)
        for family in each.describe()
    }
    beside = PAGE.replace("'^rt_(", "")  # a pattern to look for several at once
    limits = {each.upper() for each in vars(settings.Limits())}
    rows = re.findall(r"^\| `too_many_[a-z]+` \| ([^|]+)\|", PAGE, re.MULTILINE)

    assert set(re.findall(r"\brt_[a-z_]*[a-z]\b", beside)) <= there
    assert {each for row in rows for each in re.findall(r"`([A-Z_]+)`", row)} <= limits


def test_every_line_of_the_log_is_one_that_the_service_writes() -> None:
    written = {
        event
        for path in (ROOT / "chatbot").rglob("*.py")
        for event in re.findall(r'"(realtime\.[a-z_]+|worker_[a-z]+)"', path.read_text())
    }
    sql = {"realtime.messages", "realtime.paused_kinds"}
    named = set(re.findall(r"`(realtime\.[a-z_]+|worker_[a-z]+)`", PAGE))

    assert named - sql <= written


def test_every_statement_runs(cluster: embedded.Urls) -> None:
    blocks = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    inline = re.findall(r"`(select [^`…]+)`", PAGE)
    nobody, ran = str(UUID(int=0)), 0

    with copy_of(cluster) as urls, psycopg.connect(urls.superuser, autocommit=True) as link:
        for each in (*blocks, *inline):
            statement = re.sub(r"<(org|staff) id>", nobody, each).replace("<pid>", "0")
            if "expel" not in statement:  # of a program that is not there
                link.execute(statement.encode())
                ran += 1

    assert ran >= 8
