"""`chatbot eval`: from a folder to figures, and to weights that an organisation searches with."""

import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from chatbot.answering.models.model import Model, ModelFailed, Usage
from chatbot.answering.voice.prompt import Prompt
from chatbot.app import endpoints_of, models_of
from chatbot.database import Database
from chatbot.errors import Invalid, NotFound
from chatbot.evaluation import command
from chatbot.evaluation.command import Wanted
from chatbot.orgs import sites
from chatbot.orgs.tables import Org
from chatbot.settings import Settings
from knowledge import preferences
from knowledge.bands import Band
from knowledge.embed import LocalEmbedder
from knowledge.evaluation.fitting import DEFAULTS
from knowledge.retrieve import Retriever
from tests import live
from tests.conftest import Cluster, copy_of
from tests.knowledge.test_evaluate import shop, write
from tests.test_starting import run_command

CRAFTS = {
    "tailor": ("needle", "thread", "cloth", "sleeve", "button"),
    "baker": ("oven", "flour", "dough", "loaf", "yeast"),
    "smith": ("anvil", "hammer", "iron", "horseshoe", "forge"),
    "sailor": ("mast", "rope", "harbour", "anchor", "rudder"),
    "farmer": ("plough", "barley", "harvest", "tractor", "barn"),
    "painter": ("canvas", "brush", "easel", "pigment", "varnish"),
    "miner": ("shaft", "coal", "lamp", "tunnel", "pickaxe"),
    "gardener": ("rose", "spade", "hedge", "compost", "seedling"),
}


def crafts(folder: Path) -> Path:
    """Eight topics of five documents, and eight questions about each document."""
    corpus: list[dict[str, Any]] = []
    asked: list[dict[str, Any]] = []
    judged: list[str] = []
    for craft, things in CRAFTS.items():
        for at, thing in enumerate(things):
            one = f"{craft}#{at}"
            text = f"The {craft} keeps the {thing} in cupboard {at} and cleans it on Friday."
            corpus.append({"_id": one, "title": "", "text": text})
            for way in (
                f"Where does the {craft} keep the {thing}?",
                f"On which day is the {thing} cleaned?",
                f"In which cupboard is the {craft}'s {thing}?",
            ):
                asked.append({"_id": f"q{len(asked)}", "text": way, "answers": ["Friday"]})
                judged.append(f"{asked[-1]['_id']}\t{one}\t1")
    write(folder, "corpus.jsonl", corpus)
    write(folder, "queries.jsonl", asked)
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("\n".join(judged))
    return folder


class Talker:
    """A model that says one thing, or breaks after its first word."""

    name = "talker"

    def __init__(self, said: str, *, breaks: bool = False) -> None:
        self._said = said
        self._breaks = breaks

    async def stream(self, prompt: Prompt) -> AsyncIterator[str | Usage]:
        yield self._said
        if self._breaks:
            raise ModelFailed("ended_early")


async def run(
    database: Database, *, model: Model | None = None, **told: Any
) -> tuple[list[dict[str, Any]], str]:
    """The lines of JSON that the command prints, and what it says meanwhile."""
    out, log = io.StringIO(), io.StringIO()
    settings = Settings(database_url=database.url, secret_keys=(live.KEY,))
    await command.run(
        database,
        models_of(settings),
        endpoints_of(settings, model),
        Wanted(as_json=True, **told),
        out=Console(file=out),
        log=Console(file=log),
    )
    return [json.loads(line) for line in out.getvalue().splitlines()], log.getvalue()


async def test_every_suite_gives_an_object_with_its_figures_and_peers(
    database: Database, tmp_path: Path
) -> None:
    folder = shop(tmp_path / "shop", history=["Hello there"])

    reports, said = await run(database, folders=(folder,))

    found = {report["suite"]: report for report in reports}
    assert set(found) == set(command.SUITES)
    assert {report["data"] for report in reports} == {"shop"}
    retrieval, abstain = found["retrieval"], found["abstain"]
    assert retrieval["n"] == 4
    assert retrieval["metrics"]["ndcg@10"] == 1
    assert retrieval["metrics"]["answer_in_best_sentence"] == 1
    assert retrieval["peers"]["bm25s"]["ndcg@10"] > 0.5
    assert abstain["metrics"]["left_out_n"] == abstain["metrics"]["present_n"] == 8
    assert found["followup"]["n"] == 4
    assert "last turn alone" in found["followup"]["peers"]
    assert "defaults, fitted on SQuAD 2.0" in said


async def test_answers_are_the_whole_pipelines_and_their_quotes_are_true(
    database: Database, tmp_path: Path
) -> None:
    reports, _ = await run(database, folders=(crafts(tmp_path / "crafts"),), suites=("answers",))

    metrics = reports[0]["metrics"]
    assert reports[0]["notes"][0] == "written by extractive"
    assert metrics["answers_n"] == 120
    assert metrics["answer_held"] > 0.9
    assert metrics["left_out_n"] == 120
    assert metrics["quotes_verbatim"] == 1
    assert metrics["quotes_n"] >= 100
    assert 40 < metrics["answer_chars"] < 300
    assert metrics["failed_n"] == 0
    assert reports[0]["counts"]["answer_held"] == 120
    assert reports[0]["counts"]["quotes_verbatim"] == metrics["quotes_n"]


async def test_a_configured_model_rewords_follow_ups_and_writes_the_answers(
    database: Database, tmp_path: Path
) -> None:
    folder = shop(tmp_path / "shop", history=["Is the workshop open?"])
    model = Talker("a kettle is repaired in the workshop [1]")

    reports, _ = await run(database, model=model, folders=(folder,), suites=("followup", "answers"))

    followup, answers = reports
    assert followup["peers"]["reworded by the model"]["mrr@10"] < 1
    assert answers["notes"][0] == "written by talker"
    assert answers["metrics"]["answer_held"] == 1 / 4
    assert answers["metrics"]["quotes_n"] == 0


async def test_a_model_that_breaks_is_counted_and_ends_nothing(
    database: Database, tmp_path: Path
) -> None:
    folder = shop(tmp_path / "shop")

    reports, _ = await run(
        database, model=Talker("in", breaks=True), folders=(folder,), suites=("answers",)
    )

    assert reports[0]["metrics"]["failed_n"] == 4
    assert reports[0]["metrics"]["answer_held"] == 0


async def test_a_sample_is_no_larger_than_asked_and_always_the_same(
    database: Database, tmp_path: Path
) -> None:
    folder = crafts(tmp_path / "crafts")

    once, _ = await run(database, folders=(folder,), suites=("retrieval",), limit=10)
    again, _ = await run(database, folders=(folder,), suites=("retrieval",), limit=10)

    assert once[0]["n"] == 10
    assert once[0]["metrics"]["mrr@10"] == again[0]["metrics"]["mrr@10"]


async def test_a_calibration_is_written_with_its_origin_and_searched_with(
    database: Database, two_orgs: tuple[Org, Org], tmp_path: Path
) -> None:
    alder, birch = two_orgs
    folder = crafts(tmp_path / "crafts")

    printed, _ = await run(database, folders=(folder,), calibrate=True, org=alder.slug, limit=60)

    async with database.transaction(alder.id) as db:
        chosen = await preferences.get(db, alder.id)
    async with database.transaction(birch.id) as db:
        untouched = await preferences.get(db, birch.id)
    found = await Retriever(
        database.transaction, models_of(Settings(database_url=database.url))
    ).find(alder.id, "Where does the baker keep the flour?")
    kept = chosen.calibrated(LocalEmbedder.model)
    assert kept is not None
    assert (kept.provenance.data, kept.provenance.queries) == (("crafts",), 60)
    assert kept.provenance.code.startswith("chatbot ")
    assert {"refusal", "false_refusal", "auroc, defaults"} <= set(kept.provenance.figures)
    assert kept.provenance.figures["false_refusal"] <= 0.1
    assert msgspec.convert(printed[0]["calibration"], preferences.Calibration) == kept
    assert found.scale == kept.scale
    assert found.band is Band.UNKNOWN
    assert untouched.calibration is None


async def test_an_organisations_own_weights_are_measured_when_it_is_named(
    database: Database, two_orgs: tuple[Org, Org], tmp_path: Path
) -> None:
    alder, _ = two_orgs
    folder = shop(tmp_path / "shop")
    never = preferences.Calibration(
        model=LocalEmbedder.model,
        share=0.25,
        faq_share=0.5,
        scale=preferences.Scale(
            bias=-9, coverage=0, strength=0, cosine=0, partial_from=0.9, answered_from=0.9
        ),
        provenance=DEFAULTS,
    )
    async with database.transaction(alder.id) as db:
        await preferences.calibrate(db, alder.id, never)

    own, said = await run(database, folders=(folder,), suites=("abstain",), org=alder.slug)
    usual, _ = await run(database, folders=(folder,), suites=("abstain",))

    assert own[0]["metrics"]["false_refusal"] == 1
    assert usual[0]["metrics"]["false_refusal"] == 0
    assert "share of the vectors 0.25" in said


async def test_what_an_evaluation_made_is_gone_whatever_happens(database: Database) -> None:
    before = {org.slug for org in await sites.list_orgs(database)}
    during: list[str] = []

    async def break_off() -> None:
        async with command.throw_away(database):
            during.extend(org.slug for org in await sites.list_orgs(database))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        await break_off()

    assert set(during) - before == {"evaluation-1"}
    assert {org.slug for org in await sites.list_orgs(database)} == before


async def test_what_a_killed_evaluation_left_is_deleted_by_a_later_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = await sites.create_org(database, "Evaluation", slug="evaluation-1")

    async with command.throw_away(database):
        beside = {org.slug for org in await sites.list_orgs(database)}
    monkeypatch.setattr(command, "FORGOTTEN_AFTER", timedelta(seconds=-1))
    async with command.throw_away(database) as taken:
        after = {org.id for org in await sites.list_orgs(database)}

    assert {"evaluation-1", "evaluation-2"} <= beside
    assert taken in after
    assert left.id not in after


async def test_what_cannot_be_done_is_said_with_a_code(database: Database, tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop")
    (folder / "queries.jsonl").unlink()

    with pytest.raises(Invalid, match="missing_file"):
        await run(database, folders=(folder,))
    with pytest.raises(Invalid, match="org_missing"):
        await run(database, folders=(shop(tmp_path / "other"),), calibrate=True)
    with pytest.raises(NotFound, match="unknown_org"):
        await run(database, folders=(shop(tmp_path / "third"),), org="nobody")
    with pytest.raises(Invalid, match="too_many"):
        await run(database, folders=(folder,) * (command.FOLDERS_MAX + 1))


def test_the_command_prints_tables_and_its_failures_are_one_line(
    cluster: Cluster, tmp_path: Path
) -> None:
    folder = shop(tmp_path / "shop")
    with copy_of(cluster) as urls:
        env = {"CHATBOT_DATABASE_URL": urls.app, "CHATBOT_SECRET_KEYS": live.KEY}

        done = run_command("eval", "--data", str(folder), "--suite", "retrieval", env=env)
        (folder / "corpus.jsonl").write_text("no json\n")
        failed = run_command("eval", "--data", str(folder), env=env)

    assert done.returncode == 0, done.stderr
    assert "retrieval · shop · 4 questions" in done.stdout
    assert "bm25s" in done.stdout
    assert failed.returncode == 1
    assert failed.stderr.startswith("chatbot: bad_line: ")
    assert len(failed.stderr.splitlines()) == 1
