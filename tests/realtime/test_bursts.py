"""Many signals at once: a client that reads is not taken for one that does not."""

import asyncio

from sqlalchemy import text

from tests import live

MANY = 3 * live.ROOMY.socket_queue_frames

_SEND = text(
    "select realtime.send(jsonb_build_object('n_id', n::text), 'n.changed', :topic)"
    " from generate_series(1, :amount) n"
)


async def test_a_burst_longer_than_its_queue_ends_no_client_that_reads(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    company, _ = two_companies
    topic = f"org:{company.org_id}:dashboard"
    async with live.colleague(live_service, company) as ana:
        await ana.subscribe(topic)

        async with live_service.database.transaction(company.org_id, actor="system") as db:
            await db.execute(_SEND, {"topic": topic, "amount": MANY})

        async with asyncio.timeout(live.WAIT_S):
            while len(ana.heard) < MANY and ana.socket.connected:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert [data["code"] for event, data in ana.heard if event == "system"] == []
        assert {data["ids"]["n_id"] for _, data in ana.heard} == {
            str(each) for each in range(1, MANY + 1)
        }
