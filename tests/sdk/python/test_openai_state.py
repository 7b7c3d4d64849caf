"""State by OpenAI's own SDK: what was answered is read, listed, gone on from, followed, and deleted."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from sdk.targets import LOCAL, each_provided

OPENAI = "openai/gpt-5.5"


@each_provided
def test_an_answer_is_read_again_and_deleted(openai_client: openai.OpenAI, model: str) -> None:
    given: Any = {"model": model, "input": "echo: one fish"}
    made = openai_client.responses.create(**given)
    assert made.store is True and openai_client.responses.retrieve(made.id) == made
    listed = openai_client.responses.input_items.list(made.id)
    (item,) = listed.data
    assert item.type == "message" and item.content[0].to_dict() == {"type": "input_text", "text": "echo: one fish"}
    after = openai_client.responses.create(model=OPENAI, input="echo: two fish", previous_response_id=made.id)
    assert after.output_text == "two fish" and after.previous_response_id == made.id
    openai_client.responses.delete(made.id)
    for gone in (
        lambda: openai_client.responses.retrieve(made.id),
        lambda: openai_client.responses.input_items.list(made.id),
        lambda: openai_client.responses.delete(made.id),
        lambda: openai_client.responses.create(model=OPENAI, input="x", previous_response_id=after.id),
    ):
        with pytest.raises(openai.NotFoundError):
            gone()


def test_the_local_model_goes_on_and_is_gone_on_from(openai_client: openai.OpenAI) -> None:
    first = openai_client.responses.create(model=OPENAI, input="echo: my name is Ada")
    second = openai_client.responses.create(
        model=LOCAL, input="What is my name?", previous_response_id=first.id, max_output_tokens=16
    )
    third = openai_client.responses.create(model=OPENAI, input="echo: bye", previous_response_id=second.id)
    assert second.model == LOCAL and third.output_text == "bye"


def test_input_items_are_paged_to_their_end(openai_client: openai.OpenAI) -> None:
    given: Any = [{"role": "user", "content": str(number)} for number in range(7)]
    made = openai_client.responses.create(model=OPENAI, input=given)
    pages: Any = openai_client.responses.input_items.list(made.id, limit=3, order="asc")
    assert [item.content[0].text for item in pages] == [str(number) for number in range(7)]


@each_provided
def test_conversations(openai_client: openai.OpenAI, model: str) -> None:
    conversations = openai_client.conversations
    mine = conversations.create(metadata={"a": "b"}, items=[{"role": "user", "content": "my name is Ada"}])
    answer = openai_client.responses.create(model=model, input="echo: hello Ada", conversation=mine.id)
    assert answer.conversation is not None and answer.conversation.id == mine.id
    items: Any = list(conversations.items.list(mine.id, order="asc"))
    said = [item.content[0].text for item in items if item.type == "message"]
    assert said == ["my name is Ada", "echo: hello Ada", "hello Ada"]
    assert conversations.items.retrieve(items[0].id, conversation_id=mine.id) == items[0]
    added = conversations.items.create(mine.id, items=[{"role": "user", "content": "more"}])
    assert conversations.items.delete(added.data[0].id or "", conversation_id=mine.id) == mine
    assert conversations.update(mine.id, metadata={"c": "d"}).metadata == {"c": "d"}
    assert conversations.retrieve(mine.id).metadata == {"c": "d"}
    assert conversations.delete(mine.id).deleted is True
    with pytest.raises(openai.NotFoundError):
        conversations.retrieve(mine.id)


@each_provided
def test_a_background_stream_is_picked_up_where_it_was_left(openai_client: openai.OpenAI, model: str) -> None:
    seen: list[Any] = []
    with openai_client.responses.create(
        model=model, input="echo: one fish two fish", background=True, stream=True
    ) as stream:
        for event in stream:
            seen.append(event)
            if event.sequence_number == 2:
                break
    response_id = seen[0].response.id
    seen += openai_client.responses.retrieve(response_id, stream=True, starting_after=2)
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert seen[-1].type == "response.completed"
    found = openai_client.responses.retrieve(response_id)
    assert found == seen[-1].response and found.output_text == "one fish two fish"


def test_a_background_answer_is_waited_for_or_cancelled(openai_client: openai.OpenAI) -> None:
    made = openai_client.responses.create(model=OPENAI, input="echo: one fish", background=True)
    assert made.status == "queued" and made.background is True
    while (found := openai_client.responses.retrieve(made.id)).status in ("queued", "in_progress"):
        pass
    assert found.status == "completed" and found.output_text == "one fish"
    slow = openai_client.responses.create(model=OPENAI, input="hi [[sim: stall_after=3]]", background=True)
    assert openai_client.responses.cancel(slow.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError):
        plain = openai_client.responses.create(model=OPENAI, input="hi")
        openai_client.responses.cancel(plain.id)


@each_provided
def test_a_conversation_is_compacted_and_counted(openai_client: openai.OpenAI, model: str) -> None:
    # The SDK's own type of a compaction has no place for the messages of users that OpenAI's reference shows in one.
    loose = openai.OpenAI(base_url=str(openai_client.base_url), api_key=openai_client.api_key)
    first = openai_client.responses.create(model=model, input="echo: " + "many words " * 20)
    short: Any = loose.responses.compact(model=model, previous_response_id=first.id)
    assert short.object == "response.compaction" and short.output[-1].type == "compaction"
    given: Any = [*(item.to_dict(warnings=False) for item in short.output), {"role": "user", "content": "echo: on"}]
    assert openai_client.responses.create(model=model, input=given).output_text.endswith("on")
    counted = openai_client.responses.input_tokens.count(model=model, input="hi", previous_response_id=first.id)
    assert counted.input_tokens > 40
