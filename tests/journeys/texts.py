"""What the organisations of the journeys know."""

import asyncio

from tests import live

HANDBOOK = """# Kettle handbook

## Warranty

The warranty on every kettle lasts 36 months from the day of purchase. It covers the heating
element, the lid and the switch, and it moves with the kettle when you give it to somebody else.

## Descaling

Descale the kettle once a month with a spoon of citric acid in a litre of water. Let it stand
for ten minutes, boil it once and rinse it twice before you make tea again.

## Returns

A kettle that does not please may be sent back within 30 days. We pay the postage and return the
money within a week of its arrival in our workshop.
"""


async def upload(running: live.Live, company: live.Company, name: str, text: str) -> live.Json:
    """Upload a document as the owner and wait until it is ready or failed."""
    async with live.colleague(running, company) as ana:
        await ana.subscribe(f"org:{company.org_id}:knowledge")
        status, document = await ana.upload(name, text.encode())
        assert status == 202, document
        async with asyncio.timeout(30):
            while document["status"] not in ("ready", "failed"):
                await ana.hear("signal", document_id=document["id"])
                document = await ana.get(f"/knowledge/documents/{document['id']}")
    return document
