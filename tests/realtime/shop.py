"""The example of another program in docs/channels.md, and ways to act as each who takes part."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import text

from chatbot import embedded
from chatbot.database import Database
from chatbot.realtime import topics
from tests.realtime.conftest import House

PAGE = Path(__file__).parents[2] / "docs" / "channels.md"
WORD = "one-that-nobody-knows"
ORDER = UUID("01990000-0000-7000-8000-000000000003")
ORG, VISITOR = (f"01990000-0000-7000-8000-00000000000{n}" for n in (1, 2))


@dataclass(frozen=True)
class Shop:
    """What the example made: two organisations, of which `ours` has an order, and the blocks that
    are still to be run.
    """

    urls: embedded.Urls
    database: Database
    ours: House
    theirs: House
    blocks: dict[str, str]

    @property
    def program(self) -> str:
        """Where the program logs in."""
        return make_conninfo(self.urls.app, user="shop", password=WORD)

    def run(self, url: str, *names: str) -> None:
        with psycopg.connect(url, autocommit=True) as link:
            for name in names:
                link.execute(self.blocks[name].encode())

    def as_owner(self, statement: str) -> None:
        with psycopg.connect(self.urls.owner) as link:
            link.execute("set role chatbot_owner")
            link.execute(statement.encode())

    def as_program(self, statement: str, org_id: UUID | None = None) -> None:
        with psycopg.connect(self.program) as link:
            link.execute("select set_config('app.org', %s, true)", (str(org_id or ""),))
            link.execute(statement.encode())

    def send(self, topic: str, org_id: UUID | None = None) -> None:
        self.as_program(f"select realtime.send('{{}}', 'a.b', '{topic}')", org_id)

    async def log(self, topic: str) -> list[tuple[str, dict[str, Any]]]:
        """(event, payload) of every signal on the topic."""
        with psycopg.connect(self.urls.superuser) as link:
            query = "select event, payload from realtime.messages where topic = %s order by id"
            return link.execute(query, (topic,)).fetchall()

    async def catalogue(self) -> topics.Catalogue:
        async with self.database.transaction() as db:
            rows = await db.execute(text("select * from realtime.catalogue()"))
            return topics.Catalogue(topics.Row(*row) for row in rows)


def example(house: House) -> dict[str, str]:
    """The page's SQL, with the ids of a house that exists, by how each block begins."""
    page = PAGE.read_text().replace(ORG, str(house.org_id))
    page = page.replace(VISITOR, str(house.visitor.visitor_id))
    found: list[str] = re.findall(r"^```sql\n(.+?)^```", page, re.MULTILINE | re.DOTALL)
    names = ("role", "admit", "send", "kind", "rows", "lost", "quiet", "pause")
    return dict(zip(names, found, strict=True))
