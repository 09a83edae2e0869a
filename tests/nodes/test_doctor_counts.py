"""`chatbot doctor` sees the web processes that share the database."""

from chatbot import doctor
from chatbot.settings import Settings
from tests import live


async def test_a_process_that_serves_is_counted(live_service: live.Live) -> None:
    settings = Settings(database_url=live_service.database.url, secret_keys=(live.KEY,))

    findings = {each.name: each.text for each in doctor.examine(settings)}

    count, _, what = findings["nodes"].partition(" ")
    assert what.startswith("web process(es)")
    assert int(count) >= 1
