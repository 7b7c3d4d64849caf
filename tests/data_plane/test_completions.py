"""Text completions, end to end: passed on to models that speak them, translated for all others; what a chat model
cannot do is refused before anything is sent; faults, and callers who leave."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from data_plane.callers import AT, CHAT, OURS, ask, events_of, nothing_secret, providers
from data_plane.test_faults import IDLE_SECONDS, IN_THE_MIDDLE, STREAM_BEFORE_ANY_EVENT, WHOLE, Case, directive
from data_plane.test_leave import NOTICED_SECONDS, left, settled
from isthmus.simulator import Fault, Simulator

PATH = "v1/completions"
INSTRUCT = "openai/gpt-3.5-turbo-instruct"
TRANSLATED = {"gpt-4o": "openai/gpt-4o", **AT}
each_way = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
each_target = pytest.mark.parametrize("model", list(TRANSLATED.values()), ids=list(TRANSLATED))
TEXT = 'echo: Grüße, 世界 — "done" \\ \n and 😀'
SAID = TEXT.removeprefix("echo: ")


@pytest.fixture
async def gateway(start_gateway: Any, simulator: Simulator, tmp_path: Path) -> Any:
    config = providers(tmp_path, f"{simulator.base_url}/", after="v1/")
    return await start_gateway(config_file=config, idle_timeout_seconds=IDLE_SECONDS)


async def complete(gateway: Any, model: str, prompt: Any, *, stream: bool = False, **more: Any) -> httpx.Response:
    headers = more.pop("headers", None)
    body = {"model": model, "prompt": prompt, "max_tokens": 200, "stream": stream, **more}
    answer: httpx.Response = await gateway.post(PATH, body, headers=headers)
    return answer


def heard(answer: httpx.Response, stream: bool) -> list[tuple[str, str]]:
    """Text and reason of each choice."""
    assert answer.status_code == 200, answer.text
    if not stream:
        found = answer.json()
        assert found["object"] == "text_completion" and found["id"].startswith("cmpl-")
        return [(choice["text"], choice["finish_reason"]) for choice in found["choices"]]
    assert answer.headers["content-type"].startswith("text/event-stream")
    *chunks, done = [data for _, data in events_of(answer.text)]
    assert done == "[DONE]"
    texts: dict[int, str] = {}
    reasons: dict[int, str] = {}
    for chunk in chunks:
        assert chunk["object"] == "text_completion"
        for part in chunk["choices"]:
            texts[part["index"]] = texts.get(part["index"], "") + part["text"]
            reasons[part["index"]] = part["finish_reason"] or reasons.get(part["index"], "")
    return [(texts[index], reasons[index]) for index in sorted(texts)]


async def had_again(gateway: Any, simulator: Simulator, request: Any) -> bytes:
    """The provider's own answer to the same request."""
    headers = [pair for pair in request.headers if pair[0].lower() not in (b"host", b"content-length")]
    answer = await gateway.client.post(simulator.base_url + request.path, content=request.body, headers=headers)
    return bytes(answer.content)


def without_id(data: bytes) -> bytes:
    head, _, rest = data.partition(b'"cmpl-')
    return head + rest.partition(b'"')[2]


# --- passed on ------------------------------------------------------------------------------------------------------


async def test_passed_on_whole_byte_for_byte(gateway: Any, simulator: Simulator) -> None:
    body = b'{"model":"openai/gpt-3.5-turbo-instruct", "prompt" : "Once upon", "gateway":{"id":"x"},"max_tokens":9}'
    answer = await gateway.post(PATH, body)
    (request,) = simulator.requests
    assert request.path == "/v1/completions"
    assert request.body == b'{"model":"gpt-3.5-turbo-instruct", "prompt" : "Once upon","max_tokens":9}'
    assert without_id(answer.content) == without_id(await had_again(gateway, simulator, request))
    assert "cf-aig-fidelity" not in answer.headers
    row = await gateway.row()
    assert (row["request_type"], row["model"], row["end"]) == ("completions", INSTRUCT, "completed")
    assert (row["tokens_in"], row["tokens_out"]) == tuple(
        answer.json()["usage"][name] for name in ("prompt_tokens", "completion_tokens")
    )


@pytest.mark.parametrize("wanted", [False, True], ids=["usage unasked", "usage asked"])
async def test_passed_on_streamed(gateway: Any, simulator: Simulator, wanted: bool) -> None:
    more = {"stream_options": {"include_usage": True}} if wanted else {}
    answer = await complete(gateway, INSTRUCT, TEXT, stream=True, **more)
    assert heard(answer, True) == [(SAID, "stop")]
    assert simulator.requests[-1].json()["stream_options"] == {"include_usage": True}
    chunks = [data for _, data in events_of(answer.text)][:-1]
    assert [chunk["choices"] == [] for chunk in chunks].count(True) == int(wanted)
    row = await gateway.row()
    assert row["tokens_in"] > 0 and row["tokens_out"] > 0 and row["streamed"] is True and row["end"] == "completed"


@each_way
@pytest.mark.parametrize(
    "more",
    [
        {"prompt": ["One", "Two"], "n": 2},
        {"prompt": [1, 2, 3], "logprobs": 2},
        {"prompt": [[1], [2]], "echo": True},
        {"prompt": "def f():", "suffix": "return 1"},
        {"prompt": "x", "echo": True, "logprobs": 1, "max_tokens": 0},
    ],
    ids=["prompts", "tokens", "tokens of several", "suffix", "scored"],
)
async def test_all_that_completions_can_be_asked_is_passed_on(
    gateway: Any, simulator: Simulator, more: dict[str, Any], stream: bool
) -> None:
    answer = await complete(gateway, INSTRUCT, **{"stream": stream, **more})
    assert heard(answer, stream)
    sent = simulator.requests[-1].json()
    assert {name: sent[name] for name in more} == more


async def test_a_fine_tuned_one_keeps_its_name(gateway: Any, simulator: Simulator) -> None:
    answer = await complete(gateway, "openai/ft:davinci-002:Org::Ab1", "x")
    assert answer.status_code == 404 and "does not exist" in answer.text
    assert (simulator.requests[-1].path, simulator.requests[-1].json()["model"]) == (
        "/v1/completions",
        "ft:davinci-002:Org::Ab1",
    )


@pytest.mark.parametrize("path", ["/openai/v1/completions"])
async def test_the_short_address(gateway: Any, path: str) -> None:
    body = {"model": "gpt-3.5-turbo-instruct", "prompt": TEXT, "max_tokens": 99}
    answer = await gateway.client.post(path, json=body, headers=gateway.headers)
    assert heard(answer, False) == [(SAID, "stop")]


# --- translated -----------------------------------------------------------------------------------------------------


@each_way
@each_target
async def test_a_prompt_is_what_a_user_says(gateway: Any, simulator: Simulator, model: str, stream: bool) -> None:
    answer = await complete(gateway, model, TEXT, stream=stream)
    assert heard(answer, stream) == [(SAID, "stop")]
    assert "completions" not in simulator.requests[-1].path.replace("chat/completions", "")
    row = await gateway.row()
    assert (row["request_type"], row["streamed"], row["end"]) == ("completions", stream, "completed")
    assert row["tokens_in"] > 0 and row["tokens_out"] > 0


@each_way
@each_target
async def test_an_echo(gateway: Any, model: str, stream: bool) -> None:
    answer = await complete(gateway, model, ["echo: Hi"], stream=stream, echo=True)
    assert heard(answer, stream) == [("echo: HiHi", "stop")]
    assert 'emulated;field="echo"' in answer.headers["cf-aig-fidelity"]


@each_target
async def test_it_ends_after_sixteen_tokens_where_nobody_says(gateway: Any, model: str) -> None:
    if model == AT["openai_responses"]:
        return  # it thinks, and that is all that there is room for
    answer = await gateway.post(PATH, {"model": model, "prompt": "Say much. [[sim: tokens=90]]"})
    ((text, reason),) = heard(answer, False)
    assert reason == "length" and text
    assert answer.json()["usage"]["completion_tokens"] <= 16


@each_way
async def test_usage_is_told_where_it_is_asked_for(gateway: Any, stream: bool) -> None:
    more = {"stream_options": {"include_usage": True}} if stream else {}
    answer = await complete(gateway, "anthropic/claude-haiku-4.5", TEXT, stream=stream, **more)
    found = events_of(answer.text)[-2][1] if stream else answer.json()
    row = await gateway.row()
    assert (found["usage"]["prompt_tokens"], found["usage"]["completion_tokens"]) == (
        row["tokens_in"],
        row["tokens_out"],
    )


@each_way
async def test_probabilities_and_several_answers(gateway: Any, stream: bool) -> None:
    answer = await complete(gateway, "openai/gpt-4o", "echo: ab cd", stream=stream, n=2, logprobs=2)
    assert heard(answer, stream) == [("ab cd", "stop")] * 2
    if not stream:
        for choice in answer.json()["choices"]:
            told = choice["logprobs"]
            assert "".join(told["tokens"]) == "ab cd" and told["text_offset"][0] == len("echo: ab cd")
            assert all(len(top) >= 2 for top in told["top_logprobs"])


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1], [2]]}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"suffix": "x"}, "suffix"),
        ({"echo": True, "logprobs": 1}, "echo"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 3}, "n"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
async def test_what_a_chat_model_cannot_do_is_refused(
    gateway: Any, simulator: Simulator, more: dict[str, Any], param: str
) -> None:
    answer = await complete(gateway, "anthropic/claude-haiku-4.5", **{"prompt": "x", **more})
    assert answer.status_code == 400 and not simulator.requests
    found = answer.json()
    assert found["error"]["param"] == param and found["success"] is False
    row = await gateway.row()
    assert (row["end"], row["status_code"]) == ("refused", 400)


async def test_what_is_lost_is_told_or_refused(gateway: Any, simulator: Simulator) -> None:
    answer = await complete(gateway, "openai/gpt-4o", "x", best_of=3)
    assert 'lost;field="best_of"' in answer.headers["cf-aig-fidelity"]
    strict = await complete(gateway, "openai/gpt-4o", "x", best_of=3, headers={"cf-aig-fidelity": "strict"})
    assert strict.status_code == 400 and strict.json()["error"]["param"] == "best_of"
    assert len(simulator.requests) == 1


# --- others at a model that completes -------------------------------------------------------------------------------


@each_way
async def test_a_question_of_another_dialect(gateway: Any, simulator: Simulator, stream: bool) -> None:
    answer = await ask(gateway, "anthropic_messages", INSTRUCT, TEXT, stream=stream, system="Be brief.")
    assert answer.status_code == 200
    assert simulator.requests[-1].json()["prompt"] == f"Be brief.\n\n{TEXT}"
    text = (
        "".join(event["delta"].get("text", "") for _, event in events_of(answer.text) if "delta" in event)
        if stream
        else answer.json()["content"][0]["text"]
    )
    assert text == SAID
    assert "messages" in answer.headers["cf-aig-fidelity"]


async def test_a_conversation_is_refused(gateway: Any, simulator: Simulator) -> None:
    turns = ["Hi", {"role": "assistant", "content": "Hello"}, "And?"]
    answer = await ask(gateway, CHAT, INSTRUCT, *turns)
    assert answer.status_code == 400 and "knows no conversation" in answer.json()["error"]["message"]
    assert not simulator.requests


# --- faults ---------------------------------------------------------------------------------------------------------

AT_FAULT = {"relayed": INSTRUCT, "chat": "openai/gpt-4o", "messages": "anthropic/claude-haiku-4.5"}


@pytest.mark.parametrize("model", list(AT_FAULT.values()), ids=list(AT_FAULT))
@each_way
async def test_a_provider_that_fails_before_it_answers(
    gateway: Any, simulator: Simulator, model: str, stream: bool
) -> None:
    wrong = {}
    for name, case in (STREAM_BEFORE_ANY_EVENT if stream else WHOLE).items():
        try:
            await check_refused(gateway, simulator, model, case, stream)
        except (AssertionError, ValueError, KeyError, TimeoutError) as error:
            wrong[name] = f"{type(error).__name__}: {error}"
    assert not wrong


async def check_refused(gateway: Any, simulator: Simulator, model: str, case: Case, stream: bool) -> None:
    prompt = f"Say eight words or so. [[sim: {directive(case.fault)}]]"
    answer = await asyncio.wait_for(complete(gateway, model, prompt, stream=stream, headers=case.headers), 10)
    request = simulator.requests[-1]
    assert answer.status_code == (request.status if case.status is None else case.status)
    nothing_secret(answer)
    if not (case.unchanged and model == INSTRUCT):
        assert answer.json()["errors"][0]["code"] == OURS and set(answer.json()["error"]) == {
            "message",
            "type",
            "param",
            "code",
        }
    retry_after = case.fault.retry_after
    assert answer.headers.get("retry-after") == (None if retry_after is None else str(retry_after))
    (row, *_) = await gateway.rows()
    assert (row["status_code"], row["success"]) == (answer.status_code, False) and row["end"] in case.ends


@pytest.mark.parametrize("model", list(AT_FAULT.values()), ids=list(AT_FAULT))
async def test_a_provider_that_fails_in_the_middle(gateway: Any, model: str) -> None:
    for fault in IN_THE_MIDDLE.values():
        prompt = f"Say eight words or so. [[sim: {directive(fault)}]]"
        answer = await asyncio.wait_for(complete(gateway, model, prompt, stream=True), 10)
        assert answer.status_code == 200
        events = [data for _, data in events_of(answer.text)]
        assert "[DONE]" not in events and events[-1]["error"]["message"]
        assert events[0]["object"] == "text_completion"
        (row, *_) = await gateway.rows()
        assert (row["status_code"], row["success"], row["end"]) == (200, False, "interrupted")


@each_way
async def test_a_whole_answer_in_the_place_of_a_stream(gateway: Any, simulator: Simulator, stream: bool) -> None:
    simulator.next(Fault(kind="not_streamed"))
    answer = await complete(gateway, INSTRUCT, TEXT, stream=stream)
    assert answer.status_code == 200 and "Grüße" in answer.text
    assert (await gateway.row())["end"] == "completed"


# --- callers who leave ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", list(AT_FAULT.values()), ids=list(AT_FAULT))
@pytest.mark.parametrize("stall", ["events=12 stall_after=5", "slow_first_byte=60000"])
async def test_leaving(gateway: Any, simulator: Simulator, model: str, stall: str) -> None:
    _, writer = await gateway.connect()
    body = {"model": model, "prompt": f"Say much. [[sim: {stall}]]", "stream": True, "max_tokens": 200}
    writer.write(gateway.request(PATH, msgspec.json.encode(body)))
    await simulator.seen(1)
    writer.close()
    assert await left(simulator, time.monotonic()) < NOTICED_SECONDS
    await writer.wait_closed()
    (row,) = await settled(gateway, 1)
    assert (row["status_code"], row["success"], row["end"]) == (499, False, "caller_left")
