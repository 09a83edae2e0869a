"""Old screens, brought up to date by signals alone, show what fresh ones show: for every verb."""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from chatbot.answering import recovery, turns
from chatbot.answering.repair import feedback, notices, reviews
from chatbot.conversations import episodes, handoff, transcript
from chatbot.database import Database
from chatbot.jobs import Jobs
from chatbot.library import crawling, faqtable, ingest, rewording
from knowledge import claims, faqs, index, overrides, versions
from knowledge.web import crawl
from tests.realtime import screens
from tests.realtime.conftest import build_house
from tests.realtime.knowledge_stories import (
    crawl_begins,
    crawl_ends,
    crawl_is_added,
    crawl_is_changed,
    crawl_is_handed_on,
    crawl_is_removed,
    crawl_is_run,
    document_fails,
    document_goes_back,
    document_is_deleted,
    document_is_labelled,
    document_is_taken_in,
    document_is_tried_again,
    document_progresses,
    document_says_the_same,
    faq_is_changed,
    faq_is_deleted,
    faq_is_no_longer_word_for_word,
    faq_is_saved,
    faqs_are_imported,
    passage_is_hidden,
    passage_is_reworded,
    upload,
    version_is_restored,
)
from tests.realtime.talk_stories import (
    answer_is_checked,
    answer_is_corrected,
    begin,
    checkpoint,
    close,
    come_back,
    correction_is_taken_back,
    first_question,
    note,
    others_are_told,
    process_dies,
    release,
    request,
    revise,
    staff_notes,
    staff_says,
    step_in,
    stop_is_asked,
    take,
    thumbs_down,
    turn_begins,
    turn_begins_again,
    turn_calls_a_person,
    turn_fails_and_calls_nobody,
    turn_finishes,
    turn_is_tried_again,
    visitor_says,
)
from tests.realtime.world import Story, World

MODULES: tuple[ModuleType, ...] = (
    *(transcript, handoff, episodes, turns, recovery, feedback, reviews, notices),
    *(ingest, crawling, faqtable, rewording, index, versions, overrides, faqs, claims, crawl),
)

VERBS: dict[Callable[..., Any], tuple[Story, ...]] = {
    transcript.begin: (begin,),
    transcript.say: (visitor_says, first_question),
    transcript.revise: (revise,),
    transcript.note: (note,),
    handoff.request: (request,),
    handoff.take: (take, step_in),
    handoff.release: (release,),
    handoff.close: (close,),
    handoff.say: (staff_says, staff_notes),
    episodes.come_back: (come_back,),
    turns.begin: (turn_begins,),
    turns.begin_again: (turn_begins_again,),
    turns.finish: (turn_finishes, turn_calls_a_person),
    turns.end: (turn_fails_and_calls_nobody,),
    turns.retry: (turn_is_tried_again,),
    turns.request_stop: (stop_is_asked,),
    recovery.checkpoint: (checkpoint,),
    recovery.interrupt_stale: (process_dies,),
    feedback.give: (thumbs_down,),
    reviews.check: (answer_is_checked,),
    reviews.correct: (answer_is_corrected,),
    reviews.withdraw: (correction_is_taken_back,),
    notices.tell: (others_are_told,),
    ingest.add: (upload,),
    ingest.retry: (document_is_tried_again,),
    ingest.restore: (version_is_restored,),
    index.add: (upload,),
    index.retry: (document_is_tried_again,),
    index.label: (document_is_labelled,),
    index.delete: (document_is_deleted,),
    index.lock_by_name: (upload,),
    index.begin_version: (upload,),
    index.drop_older_files: (document_is_taken_in,),
    versions.restore: (version_is_restored,),
    claims.claim: (document_is_taken_in,),
    claims.progress: (document_progresses,),
    claims.is_unchanged: (document_says_the_same,),
    claims.replace_passages: (document_is_taken_in,),
    claims.fail: (document_fails,),
    claims.release: (document_goes_back,),
    overrides.decide: (passage_is_hidden,),
    rewording.change: (passage_is_reworded,),
    faqs.save: (faq_is_saved, faq_is_no_longer_word_for_word),
    faqs.put: (faq_is_changed,),
    faqs.delete_one: (faq_is_deleted,),
    faqtable.take_in: (faqs_are_imported,),
    crawling.add: (crawl_is_added,),
    crawling.change: (crawl_is_changed,),
    crawling.run_now: (crawl_is_run,),
    crawling.remove: (crawl_is_removed,),
    crawl.add: (crawl_is_added,),
    crawl.change: (crawl_is_changed,),
    crawl.run_now: (crawl_is_run,),
    crawl.stop: (crawl_is_removed,),
    crawl.remove: (crawl_is_removed,),
    crawl.forget: (crawl_is_removed,),
    crawl.claim: (crawl_begins,),
    crawl.hold: (crawl_is_handed_on,),
    crawl.release: (crawl_is_handed_on,),
    crawl.finish: (crawl_ends,),
}

# These read, lock or prepare. `overrides.forget` drops a decision that no passage obeys: no screen
# of a document or passage shows another thing after it.
READERS: set[Callable[..., Any]] = {
    *(transcript.lock, transcript.lock_message, transcript.get, transcript.since),
    *(transcript.public_revs, transcript.recent),
    *(handoff.is_with_staff, handoff.find_open, handoff.open_handoffs, episodes.earlier),
    *(turns.find_running, turns.conversation_of, turns.live, recovery.overlooked),
    *(reviews.history, notices.affected),
    *(index.check_room, index.documents, index.get, index.passages, index.lock, index.labels),
    *(index.kept_files, versions.listed, claims.is_waiting, claims.body_part),
    *(overrides.decisions, overrides.get_passage, overrides.listed, overrides.forget),
    *(faqs.prepare, faqs.begin_writing, faqs.is_outdated, faqs.get, faqs.entries, faqs.page),
    *(faqs.names, faqs.lock),
    *(crawl.get, crawl.crawls, crawl.pages, crawl.counts, crawl.check, crawl.is_due),
}

STORIES = {story.__name__: story for stories in VERBS.values() for story in stories}


def test_every_verb_of_these_rooms_is_in_the_table() -> None:
    found = {
        function
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }

    assert VERBS.keys() & READERS == set()
    assert found == VERBS.keys() | READERS


@pytest.mark.parametrize("name", STORIES)
async def test_signals_bring_old_screens_up_to_date(name: str, database: Database) -> None:
    world = World(database, await build_house(database), Jobs(database.url))
    story = STORIES[name](world)
    await anext(story)
    seen = await screens.watch(database, world.house)

    with pytest.raises(StopAsyncIteration):
        await anext(story)

    reduced = await screens.reduce(seen, await screens.signals_since(seen))
    assert reduced == await screens.fresh(database, world.house)
