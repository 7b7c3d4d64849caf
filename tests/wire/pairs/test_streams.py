"""Of every dialect's streams: where they end, that one which was cut short is noticed, that a failure inside one is
read as one, and that what a log row is told of an answer is what a reader would find in it."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings

from isthmus.core.chat.event import Event, Failed, Finished, TextDelta
from isthmus.errors import GatewayError, Interrupted, Throttled
from isthmus.wire.registry import DIALECTS
from wire.pairs.answered import answered
from wire.pairs.strategies import STARTED, answers
from wire.pairs.test_answers import asked, can_come, cut, read, written

# Bedrock's is binary; Gemini's says nowhere which event is the last: the connection ends.
ENDING = [name for name in DIALECTS if name not in ("bedrock_converse", "gemini")]
few = settings(max_examples=15, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", ENDING)
@few
@given(events=answers())
def test_a_stream_says_where_it_ends_and_a_cut_one_is_noticed(name: str, events: list[Event]) -> None:
    if not can_come("openai_chat", name, events):
        return
    dialect = DIALECTS[name]
    blocks = re.findall(rb".*?\n\n", written(name, events, asked("openai_chat", False)), re.DOTALL)
    ended = [dialect.stream_ended(block) for block in blocks]
    assert ended[-1] and not any(ended[:-1])
    for place in range(first_end(name, blocks)):
        with pytest.raises(Interrupted):
            read(name, [b"".join(blocks[: place + 1])], False)


def first_end(name: str, blocks: list[bytes]) -> int:
    """The block with the first reason to finish: what follows is usage, form and other choices."""
    reader = DIALECTS[name].reader(False)
    return next(
        place for place, block in enumerate(blocks) if any(isinstance(each, Finished) for each in reader.feed(block))
    )


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
@pytest.mark.parametrize("name", DIALECTS)
@few
@given(events=answers())
def test_a_summary_knows_what_a_reader_knows(name: str, whole: bool, events: list[Event]) -> None:
    if not can_come("openai_chat", name, events):
        return
    data = written(name, events, asked("openai_chat", whole))
    known = answered(read(name, [data], whole))
    summary = DIALECTS[name].summarize(data, whole)
    assert summary.usage is not None and summary.usage == known["usage"]
    assert (summary.model or "") == known["model"]
    # An answer that ends with calls may say "stop" in some dialects; a stream is not searched for them.
    assert summary.finish_reason in (*known["finished"].values(), "stop")
    assert not summary.failed or "error" in known["finished"].values()


@pytest.mark.parametrize("name", DIALECTS)
def test_a_failure_in_the_middle_is_read_as_one(name: str) -> None:
    begun: list[Event] = [STARTED, TextDelta(text="Hel"), Failed(error=Throttled("Too much, too fast."))]
    data = written(name, begun, asked("openai_chat", False))
    for size in (len(data), 1, 7):
        failed = read(name, cut(data, size), False)[-1]
        assert isinstance(failed, Failed)
        assert failed.error.message == "Too much, too fast."
    assert DIALECTS[name].summarize(data, False).failed
    with pytest.raises(Throttled):
        written(name, begun, asked("openai_chat", True))


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("data", [b"", b"{", b"<html></html>", b"\x00\xff" * 50, b"data: {\n\n", b"[" * 10_000])
def test_nonsense_is_no_summary_and_no_answer(name: str, data: bytes) -> None:
    for whole in (False, True):
        assert DIALECTS[name].summarize(data, whole).usage is None
        with pytest.raises(GatewayError):
            read(name, [data], whole)
