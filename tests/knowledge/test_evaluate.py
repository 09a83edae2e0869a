"""Evaluation: what the figures mean, which folders are refused, and what a calibration learns."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.database import Database
from chatbot.evaluation import command
from knowledge import bands, search
from knowledge.bands import Band, Evidence, Scale
from knowledge.embed import LocalEmbedder
from knowledge.evaluation import fitting, folders, measures, peers, shelving, suites
from knowledge.evaluation.folders import DatasetError, Question
from knowledge.evaluation.shelving import Found, Rig, shelved
from knowledge.evaluation.suites import Tried
from knowledge.preferences import Calibration

IDS = st.lists(st.sampled_from("abcdefghijklmnop"), unique=True, max_size=16)
SHOP = {
    "post#1": ("Shipping", "Parcels leave the warehouse on working days by lorry."),
    "post#2": ("Shipping", "A parcel to an island arrives by ferry within nine days."),
    "back#1": ("Returns", "Goods may be sent back within thirty days of the purchase."),
    "back#2": ("Returns", "The refund is paid to the card that was used."),
    "pay#1": ("Payment", "We accept cards, bank transfer and invoices for companies."),
    "pay#2": ("Payment", "An invoice is due two weeks after the delivery."),
    "repair#1": ("Warranty", "Electrical devices have a warranty of two years."),
    "repair#2": ("Warranty", "A broken kettle is repaired in our workshop."),
}
ASKED = {
    "q1": ("How does a parcel get to an island?", "post#2", "by ferry"),
    "q2": ("Within how many days may goods be sent back?", "back#1", "thirty days"),
    "q3": ("When is an invoice due?", "pay#2", "two weeks"),
    "q4": ("Where is a broken kettle repaired?", "repair#2", "workshop"),
}


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def shop(folder: Path, **more: Any) -> Path:
    """A folder of eight documents about four topics, and a question about each topic."""
    write(
        folder,
        "corpus.jsonl",
        [{"_id": one, "title": title, "text": body} for one, (title, body) in SHOP.items()],
    )
    write(
        folder,
        "queries.jsonl",
        [
            {"_id": one, "text": text, "answers": [answer], "gold": gold} | more
            for one, (text, gold, answer) in ASKED.items()
        ],
    )
    rows = "".join(f"{one}\t{gold}\t1\n" for one, (_, gold, _) in ASKED.items())
    (folder / "qrels").mkdir(exist_ok=True)
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}")
    return folder


async def in_full(question: Question) -> str:
    """What a model would make of a question that goes on."""
    return f"{question.earlier[-1]} {question.text}"


@pytest.fixture
async def rig(database: Database, tmp_path: Path) -> Rig:
    data = folders.read(shop(tmp_path / "shop"))
    return await shelving.prepare(
        data,
        LocalEmbedder(),
        database.transaction,
        organisations=lambda: command.throw_away(database),
        say=[].append,
    )


# What the figures mean


def test_ndcg_is_what_one_computes_by_hand() -> None:
    judged = {"a": 2.0, "b": 1.0, "c": 1.0}

    found = measures.ndcg(["x", "a", "b"], judged)

    gained = 2 / math.log2(3) + 1 / math.log2(4)
    possible = 2 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert found == pytest.approx(gained / possible)


def test_recall_rank_and_first_hit_are_what_one_computes_by_hand() -> None:
    rankings = {"one": ["x", "a", "b"], "two": ["c"]}
    judged = {"one": {"a": 1.0, "z": 1.0}, "two": {"c": 1.0}}

    found = measures.retrieval(rankings, judged)

    assert found["recall@10"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["mrr@10"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["hit@1"] == pytest.approx(1 / 2)


def test_what_stands_below_the_tenth_place_counts_for_nothing() -> None:
    ranked = [f"x{at}" for at in range(10)] + ["a"]

    assert measures.ndcg(ranked, {"a": 1.0}) == 0
    assert measures.recall(ranked, {"a": 1.0}) == 0


@given(IDS, st.dictionaries(st.sampled_from("abcdefghijklmnop"), st.floats(0, 3)))
def test_ndcg_lies_between_nothing_and_one(ranked: list[str], judged: dict[str, float]) -> None:
    assert 0 <= measures.ndcg(ranked, judged) <= 1 + 1e-9


@given(IDS.filter(bool), st.data())
def test_the_best_order_has_ndcg_one_and_moving_a_fit_up_never_harms(
    ranked: list[str], data: st.DataObject
) -> None:
    judged = {one: float(data.draw(st.integers(0, 3))) for one in ranked}
    best = sorted(ranked, key=lambda one: -judged[one])
    at = data.draw(st.integers(0, len(ranked) - 1))
    up = [ranked[at], *ranked[:at], *ranked[at + 1 :]]

    if any(judged.values()):
        assert measures.ndcg(best, judged) == pytest.approx(1)
    if judged[ranked[at]] == max(judged.values()):
        before = measures.ndcg(ranked, judged)
        assert measures.ndcg(up, judged) >= before - 1e-9


def test_auroc_counts_pairs_and_ties_as_halves() -> None:
    assert measures.auroc([3, 2], [1, 0]) == 1
    assert measures.auroc([0, 1], [2, 3]) == 0
    assert measures.auroc([1, 2], [1, 0]) == pytest.approx(3.5 / 4)
    assert measures.auroc([], [1]) is None


def test_an_owner_of_several_rows_stands_where_its_best_one_stands() -> None:
    rows = np.asarray([[1, 0], [0.6, 0.8], [0, 1]], np.float32)

    found = peers.nearest(rows, ["a", "b", "a"], np.asarray([[0, 1]], np.float32))

    assert found == [["a", "b"]]


async def test_bm25s_ranks_the_document_with_the_words_first() -> None:
    corpus = [folders.Text(one, title, body) for one, (title, body) in SHOP.items()]
    asked = [Question(id=one, text=text) for one, (text, _, _) in ASKED.items()]

    found = await peers.bm25(corpus, asked)

    assert found is not None
    assert {one: ranked[0] for one, ranked in found.items()} == {
        one: gold for one, (_, gold, _) in ASKED.items()
    }


# Which folders can be used


def test_a_folder_is_read_with_all_that_its_questions_say(tmp_path: Path) -> None:
    data = folders.read(shop(tmp_path / "shop", answerable=False, history=["Hello", "Hm"]))

    assert data.name == "shop"
    assert len(data.corpus) == 8
    assert data.judged["q1"] == {"post#2": 1.0}
    assert data.questions[0] == Question(
        id="q1",
        text=ASKED["q1"][0],
        earlier=("Hello", "Hm"),
        answers=("by ferry",),
        answerable=False,
        gold="post#2",
    )


@pytest.mark.parametrize(
    "asked",
    [
        {"text": "|user|: Do you ship?\n|agent|: Yes, we do.\n|user|: To  islands?"},
        {"text": "To islands?", "history": "|user|: Do you ship?\n|agent|: Yes."},
        {"text": "To islands?", "history": ["Do you ship?"]},
        {
            "text": "To islands?",
            "history": [{"role": "user", "content": "Do you ship?"}, {"role": "assistant"}],
        },
        {"text": "|USER|: To islands?", "history": [{"speaker": "user", "text": "Do you ship?"}]},
    ],
)
def test_of_a_dialogue_the_visitors_turns_are_kept_and_the_last_one_is_the_question(
    tmp_path: Path, asked: dict[str, Any]
) -> None:
    folder = shop(tmp_path)
    write(folder, "queries.jsonl", [{"_id": "q1"} | asked])
    (folder / "qrels" / "test.tsv").write_text("q1\tpost#2\t1\n")

    question = folders.read(folder).questions[0]

    assert (question.text, question.earlier) == ("To islands?", ("Do you ship?",))


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _says(name: str, content: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_text(content)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "code", "part"),
    [
        (_without("corpus.jsonl"), "missing_file", "corpus.jsonl is missing"),
        (_without("queries.jsonl"), "missing_file", "queries.jsonl is missing"),
        (_without("qrels/test.tsv"), "missing_file", "qrels has no .tsv file"),
        (_says("corpus.jsonl", ""), "no_documents", "corpus.jsonl is empty"),
        (_says("queries.jsonl", "\n"), "no_questions", "queries.jsonl is empty"),
        (_says("qrels/test.tsv", "query-id\tcorpus-id\tscore\n"), "no_judgements", "qrels"),
        (_says("qrels/test.tsv", "q1\tpost#1\t0\n"), "no_judgements", "qrels"),
        (_says("qrels/test.tsv", "q1 post#1 1\n"), "bad_line", "line 1"),
        (_says("qrels/test.tsv", "q1\tpost#1\tnan\n"), "bad_line", "line 1"),
        (_says("qrels/test.tsv", "q1\tnowhere\t1\n"), "unknown_id", "“nowhere”"),
        (_says("qrels/test.tsv", "q9\tpost#1\t1\n"), "unknown_id", "“q9”"),
        (_says("corpus.jsonl", '{"_id": "a", "text": "b"}\n{"_id": '), "bad_line", "line 2"),
        (_says("corpus.jsonl", '{"_id": "a"}'), "bad_line", "line 1"),
        (_says("corpus.jsonl", '{"_id": "a", "text": 7}'), "bad_line", "line 1"),
        (_says("corpus.jsonl", '{"_id": "", "text": "b"}'), "bad_line", "line 1"),
        (_says("corpus.jsonl", '{"_id": 1, "text": "b"}\n' * 2), "duplicate_id", "“1” twice"),
        (_says("queries.jsonl", "[" * 100_000), "bad_line", "line 1"),
    ],
)
def test_a_spoilt_folder_is_one_line_that_names_the_place(
    tmp_path: Path, spoil: Callable[[Path], None], code: str, part: str
) -> None:
    folder = shop(tmp_path)
    spoil(folder)

    with pytest.raises(DatasetError) as refused:
        folders.read(folder)

    assert refused.value.code == code
    assert part in refused.value.message
    assert "\n" not in refused.value.message


def test_a_line_of_a_hundred_megabytes_is_refused_without_reading_it(tmp_path: Path) -> None:
    folder = shop(tmp_path)
    with (folder / "corpus.jsonl").open("wb") as file:
        file.truncate(100 * 2**20)

    with pytest.raises(DatasetError) as refused:
        folders.read(folder)

    assert refused.value.code == "line_too_long"


def test_a_folder_that_is_none_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop")
    (folder / "corpus.jsonl").write_bytes(b'{"_id": "a", "text": "\xff"}')

    with pytest.raises(DatasetError) as missing:
        folders.read(tmp_path / "nowhere")
    with pytest.raises(DatasetError) as garbled:
        folders.read(folder)

    assert (missing.value.code, garbled.value.code) == ("missing_file", "bad_line")


def test_topics_are_in_the_ids_or_in_titles_that_several_share() -> None:
    by_id = [folders.Text(one, "", "") for one in SHOP]
    by_title = [folders.Text(str(at), t, "") for at, (t, _) in enumerate(SHOP.values())]
    alone = [folders.Text(str(at), f"title {at}", "") for at in range(8)]

    assert set(folders.topics(by_id).values()) == {"post", "back", "pay", "repair"}
    assert set(folders.topics(by_title).values()) == {title for title, _ in SHOP.values()}
    assert folders.topics(alone) == {}


def test_every_topic_is_left_out_as_often_as_it_is_there() -> None:
    names = [f"topic {at}" for at in range(9)]

    kept = suites.halves(names)

    assert [sum(name in half for half in kept) for name in names] == [suites.FOLDS // 2] * 9


# The suites, through the real search


async def test_documents_are_found_and_what_they_are_called_in_the_folder_is_no_word_of_them(
    rig: Rig,
) -> None:
    async with shelved(rig) as shelf:
        found = await shelf.find("Where is a broken kettle repaired?")
        by_title = await shelf.find("warranty")
        by_name = await shelf.find("repair#2")
        report = await suites.retrieval(shelf)

    assert found.ranked[0] == "repair#2"
    assert found.band is Band.ANSWERED
    assert set(by_title.ranked[:2]) == {"repair#1", "repair#2"}
    assert by_name.evidence.coverage < 1
    assert report.n == 4
    assert report.metrics["ndcg@10"] == 1
    assert report.metrics["hit@1"] == 1
    assert set(report.peers) == {"bm25s", "vectors alone"}
    assert report.notes[0].startswith("vectors alone: of ")


async def test_questions_about_topics_that_are_left_out_are_refused_and_others_are_not(
    rig: Rig,
) -> None:
    tried = await suites.leave_out(rig)

    report = suites.abstain(rig, tried)

    assert (report.metrics["present_n"], report.metrics["left_out_n"]) == (8, 8)
    assert report.metrics["auroc"] == 1
    assert report.metrics["false_refusal"] == 0
    assert report.metrics["refusal"] == 1


async def test_a_question_that_goes_on_is_asked_each_way(
    database: Database, tmp_path: Path
) -> None:
    folder = shop(tmp_path / "shop")
    write(
        folder,
        "queries.jsonl",
        [{"_id": "q1", "text": "And where?", "history": ["Is a broken kettle repaired?"]}],
    )
    (folder / "qrels" / "test.tsv").write_text("q1\trepair#2\t1\n")
    rig = await shelving.prepare(
        folders.read(folder),
        LocalEmbedder(),
        database.transaction,
        organisations=lambda: command.throw_away(database),
        say=[].append,
    )

    async with shelved(rig) as shelf:
        report = await suites.followup(shelf, reword=in_full)

    alone, reworded = report.peers["last turn alone"], report.peers["reworded by the model"]
    assert report.n == 1
    assert report.metrics["hit@1"] == 1
    assert isinstance(alone, dict)
    assert alone["hit@1"] == 0
    assert isinstance(reworded, dict)
    assert reworded["hit@1"] == 1


async def test_the_weights_that_are_preferred_are_those_that_are_searched_with(rig: Rig) -> None:
    weights = Calibration(
        model=LocalEmbedder.model,
        share=0.0,
        faq_share=0.0,
        scale=msgspec.structs.replace(bands.LOCAL, partial_from=0.98, answered_from=0.99),
        provenance=fitting.DEFAULTS,
    )
    async with shelved(rig) as shelf:
        before = await shelf.find("How does a parcel cross the sea to an island?")
        await shelf.prefer(weights)
        words = await shelf.find("How does a parcel cross the sea to an island?")
        await shelf.prefer(msgspec.structs.replace(weights, share=1.0, faq_share=1.0))
        vectors = await shelf.find("How does a parcel cross the sea to an island?")
        nearest = await peers.vectors(
            rig.data.corpus,
            await rig.embedder.embed(["How does a parcel cross the sea to an island?"]),
            rig.embedder,
        )

    assert before.band is not Band.UNKNOWN
    assert words.band is Band.UNKNOWN
    assert words.evidence == before.evidence
    assert vectors.ranked[:3] == nearest[0][:3]
    assert words.ranked != vectors.ranked


async def test_without_a_history_and_without_topics_the_report_says_so(rig: Rig) -> None:
    async with shelved(rig) as shelf:
        followup = await suites.followup(shelf)

    abstain = suites.abstain(rig, [])

    assert (followup.n, abstain.n) == (0, 0)
    assert "history" in followup.notes[0]
    assert "topics" in abstain.notes[0]


async def test_nothing_is_left_of_an_organisation_that_was_thrown_away(
    database: Database, rig: Rig
) -> None:
    async with shelved(rig) as shelf:
        org_id = shelf.org_id
        during = await _rows(database, org_id)

    after = await _rows(database, org_id)

    assert min(during.values()) > 0
    assert set(after.values()) == {0}


async def _rows(database: Database, org_id: UUID) -> dict[str, int]:
    tables = ("documents", "passages", "postings", "embeddings", "lexemes", "knowledge_settings")
    async with database.transaction(org_id) as db:
        link = await db.connection()
        return {
            table: (await link.exec_driver_sql(f"select count(*) from {table}")).scalar_one()
            for table in tables
        }


# What a calibration learns


def test_the_scale_tells_apart_what_can_be_told_apart_and_never_turns_a_feature_around() -> None:
    chance = np.random.default_rng(7)
    there = np.repeat([True, False], 400)
    coverage = np.where(there, 0.8, 0.3) + chance.normal(0, 0.1, 800)
    against = np.where(there, 0.2, 0.8) + chance.normal(0, 0.1, 800)
    features = np.column_stack([coverage, against, np.zeros(800)])

    scale = fitting.scale_of(features, there)

    supports = fitting.support(features, scale)
    assert scale.coverage > 0
    assert (scale.strength, scale.cosine) == (0, 0)
    assert (supports[there] < scale.partial_from).mean() <= 0.05
    assert (supports[~there] >= scale.answered_from).mean() <= 0.06
    assert 0 < scale.partial_from <= scale.answered_from < 1


def test_a_scale_computes_the_same_for_one_and_for_many() -> None:
    evidence = Evidence(0.6, 0.4, 0.3)
    features = np.asarray([[0.6, 0.4, 0.3]])

    many = fitting.support(features, bands.LOCAL)

    assert many[0] == pytest.approx(bands.support(evidence, bands.LOCAL))


def test_too_few_questions_leave_the_bands_as_they_are() -> None:
    scale = Scale(bias=0, coverage=1, strength=1, cosine=1, partial_from=0.2, answered_from=0.5)
    found = Found([], Band.UNKNOWN, Evidence(0.5, 0.5, 0.5), 0.5, 0.0)
    tried = [Tried("a", True, True, found), Tried("b", False, True, found)]

    fitted, changes, why = fitting.fit_scale(tried, scale)

    assert fitted == scale
    assert changes == []
    assert "1 and 1" in why[0]


def test_other_weights_are_taken_only_where_they_tell_the_kinds_apart_better() -> None:
    chance = np.random.default_rng(7)
    tried = [
        Tried(f"topic {at % 20}", present, True, Found([], Band.UNKNOWN, evidence, 0.0, 0.0))
        for at in range(400)
        for present in (True, False)
        for evidence in [
            Evidence(
                0.5 + 0.2 * present + float(chance.normal(0, 0.1)), float(chance.normal(0, 0.1)), 0
            )
        ]
    ]
    blind = Scale(bias=0, coverage=0, strength=1, cosine=0, partial_from=0.2, answered_from=0.8)
    seeing = msgspec.structs.replace(blind, coverage=9, strength=0, bias=-5)

    better, changes, _ = fitting.fit_scale(tried, blind)
    kept, _, why = fitting.fit_scale(tried, seeing)

    auroc = next(change for change in changes if change.figure == "auroc")
    refused = next(change for change in changes if change.figure == "false_refusal")
    assert better.coverage > 3
    assert (auroc.before or 0) < 0.6 < 0.85 < (auroc.after or 0)
    assert (refused.after or 0) < 0.1
    assert (kept.bias, kept.coverage, kept.strength) == (-5, 9, 0)
    assert kept.partial_from != seeing.partial_from
    assert "keeps its weights" in why[0]


def test_another_share_is_taken_for_a_clear_gain_and_not_for_chance() -> None:
    chance = np.random.default_rng(7)
    noisy = 0.5 + chance.normal(0, 0.2, (200, 3))
    parts = np.arange(200) % suites.FOLDS
    better = noisy + np.asarray([0.0, 0.3, 0.0])

    clear = fitting.Ranked(better, parts)
    by_chance = fitting.Ranked(noisy - noisy.mean(axis=0), parts)

    assert fitting.best([clear], default=0) == 1
    assert fitting.best([by_chance], default=2) == 2
    assert fitting.held_out([clear], default=0) == pytest.approx(better[:, 1].mean())


async def test_a_share_is_moved_only_for_a_gain_and_the_provenance_says_on_what(rig: Rig) -> None:
    fitted = await fitting.fit([rig], code="test 1")

    calibration = fitted.calibration
    assert calibration.provenance.data == ("shop",)
    assert calibration.provenance.queries == 4
    assert calibration.provenance.code == "test 1"
    assert calibration.model == LocalEmbedder.model
    # Every share finds these four first; there is nothing to gain.
    weights = (calibration.share, calibration.faq_share)
    assert weights == (search.VECTOR_SHARE, search.VECTOR_SHARE_FAQ)
    assert calibration.scale == bands.LOCAL
