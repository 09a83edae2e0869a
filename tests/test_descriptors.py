"""A process may have as many sockets open as its limits let in."""

import resource
import subprocess
import sys

import pytest

from chatbot import descriptors, doctor
from chatbot.settings import Limits, Settings

LIMITS = Limits()
ALLOW = (
    "import resource; from chatbot import descriptors; from chatbot.settings import Limits;"
    " resource.setrlimit(resource.RLIMIT_NOFILE, (256, {most}));"
    " descriptors.allow(Limits()); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
)


def allowed(most: int) -> int:
    """What a process that began with 256, of at most `most`, may have in the end."""
    run = [sys.executable, "-c", ALLOW.format(most=most)]
    return int(subprocess.run(run, capture_output=True, text=True, check=True, timeout=60).stdout)


def test_a_process_that_may_have_more_descriptors_takes_what_it_needs() -> None:
    assert allowed(descriptors.wanted(LIMITS)) == descriptors.wanted(LIMITS)


def test_a_process_takes_what_it_can_have_where_that_is_less() -> None:
    assert allowed(512) == 512


@pytest.mark.parametrize("most", [descriptors.wanted(LIMITS), resource.RLIM_INFINITY, 512])
def test_the_doctor_says_whether_they_are_enough(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda *_: (256, most))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    settings = Settings(database_url="postgresql://nobody@localhost:1/none")

    [found] = [each for each in doctor.examine(settings) if each.name == "descriptors"]

    assert found.ok == (most != 512)
    assert found.text.startswith("few_descriptors: 512 can be had") == (most == 512)
