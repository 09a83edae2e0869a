"""Any program on the database sends a signal; sockets in that topic hear it once; a gap is
caught up.
"""

from sqlalchemy import text

from tests import live

SEND = text("select realtime.send(cast(:payload as jsonb), :event, :topic)")


async def send(running: live.Live, company: live.Company, event: str) -> None:
    async with running.database.transaction(company.org_id) as db:
        topic = f"org:{company.org_id}:inbox"
        await db.execute(SEND, {"payload": "{}", "event": event, "topic": topic})


async def test_plain_sql_reaches_the_socket_of_its_own_organisation_only(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, birch = two_companies
    async with (
        live.colleague(live_service, alder) as ana,
        live.colleague(live_service, birch) as stranger,
    ):
        await send(live_service, alder, "stock.changed")
        heard = await ana.hear("signal", event="stock.changed")
        await send(live_service, birch, "stock.counted")
        await stranger.hear("signal", event="stock.counted")

    assert heard["topic"] == f"org:{alder.org_id}:inbox"
    assert [data["event"] for _, data in stranger.heard] == []
    assert [data["event"] for _, data in ana.heard] == []


async def test_a_signal_of_a_transaction_that_failed_is_never_heard(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies
    async with live.colleague(live_service, alder) as ana:
        async with live_service.database.transaction(alder.org_id) as db:
            topic = f"org:{alder.org_id}:inbox"
            await db.execute(SEND, {"payload": "{}", "event": "phantom", "topic": topic})
            await db.rollback()
        await send(live_service, alder, "real")
        await ana.hear("signal", event="real")

    assert ana.heard == []


async def test_what_was_missed_while_away_is_caught_up(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies
    async with live.colleague(live_service, alder) as ana:
        topic = f"org:{alder.org_id}:inbox"
        before = await ana.subscribe(topic)
        await ana.close()
        await send(live_service, alder, "missed")
        await ana.connect()

        cursor = {"epoch": before["epoch"], "cur": before["cur"]}
        back = await ana.emit("subscribe", {"topics": [topic], "cursor": cursor})

    assert not back["reset"]
    assert [signal["event"] for signal in back["missed"]] == ["missed"]
