"""The real thing: SmolLM2 in its own process, asked over HTTP by those who will ask it, and killed in all the ways."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import openai
import pytest
import pytest_asyncio

from isthmus.core.chat.event import Finished, TextDelta, ToolCallDelta, ToolCallStarted
from isthmus.core.chat.request import AnswerFormat, Chat, Message, Text, Tool, ToolChoice
from isthmus.errors import Unavailable
from isthmus.local.model import LocalLimits, LocalModel
from isthmus.local.supervisor import LocalModels
from isthmus.providers.constrained_tools import CalledTools, constrain

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARENT = Path(__file__).parent / "parent_process.py"
NAME = "@cf/huggingface/smollm2-135m-instruct"
CAPITAL = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]
TOOLS = (
    Tool(
        name="get_weather",
        description="Get the current weather for a city.",
        parameters={
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
            "required": ["city"],
        },
    ),
    Tool(
        name="add_numbers",
        description="Add two numbers.",
        parameters={
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    ),
)


def serving(file: Path, **limits) -> LocalModels:
    model = LocalModel(file=file, context_tokens=2048, parallel=1, threads=1, fetch_name="smollm2")
    return LocalModels({NAME: model}, LocalLimits(**limits))


def client_of(address) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=address.base_url, api_key=address.api_key, max_retries=0, timeout=30)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def models(smollm2):
    models = serving(smollm2)
    yield models
    await models.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def client(models):
    async with client_of(await models.address(NAME)) as client:
        yield client


async def ask(client, chat: Chat):
    """The events that a caller of this chat gets, by way of `constrain` and `CalledTools`."""
    asked = constrain(chat)
    stream = await client.chat.completions.create(
        model=NAME,
        messages=[
            {"role": m.role, "content": [{"type": "text", "text": p.text} for p in m.parts]} for m in asked.messages
        ],
        max_tokens=chat.max_tokens,
        temperature=0 if asked.temperature is None else asked.temperature,
        stream=True,
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": asked.answer_format.schema}}
        if asked.answer_format
        else openai.omit,
    )
    called, events = CalledTools(chat), []
    async for chunk in stream:
        for choice in chunk.choices:
            if choice.delta.content:
                events += called.feed(TextDelta(text=choice.delta.content))
            if choice.finish_reason:
                events += called.feed(Finished(reason=choice.finish_reason))
    return events


def chat(question: str, **fields) -> Chat:
    return Chat(
        **{"model": NAME, "messages": (Message(role="user", parts=(Text(text=question),)),), "max_tokens": 60} | fields
    )


async def test_it_answers(client):
    answer = await client.chat.completions.create(model=NAME, messages=CAPITAL, temperature=0, max_tokens=40)
    assert "Paris" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == NAME
    assert answer.usage.prompt_tokens > 20
    assert answer.usage.completion_tokens > 3


async def test_it_streams(client):
    options = {"include_usage": True}
    stream = await client.chat.completions.create(
        model=NAME, messages=CAPITAL, temperature=0, max_tokens=40, stream=True, stream_options=options
    )
    chunks = [chunk async for chunk in stream]
    pieces = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
    assert "Paris" in "".join(pieces)
    assert len(pieces) > 3
    assert chunks[-1].usage.completion_tokens >= len(pieces)


async def test_only_who_has_the_key_is_answered(models):
    address = await models.address(NAME)
    async with openai.AsyncOpenAI(base_url=address.base_url, api_key="guess", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.chat.completions.create(model=NAME, messages=CAPITAL)
    assert address.api_key not in Path(f"/proc/{address.pid}/cmdline").read_text()
    assert address.api_key not in Path(f"/proc/{address.pid}/environ").read_text()


async def test_it_keeps_to_a_schema(client):
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 20},
            "code": {"type": "string", "pattern": r"^[A-Z]{2}\d$"},
            "size": {"$ref": "#/$defs/size"},
        },
        "required": ["city", "code", "size"],
        "$defs": {"size": {"enum": ["small", "large"]}},
    }
    events = await ask(client, chat("Describe Paris.", answer_format=AnswerFormat(schema=schema)))
    answer = json.loads("".join(event.text for event in events if isinstance(event, TextDelta)))
    jsonschema.validate(answer, schema)


@pytest.mark.parametrize(
    ("question", "choice", "name", "arguments"),
    [
        ("What is the weather in Paris?", ToolChoice(mode="auto"), "get_weather", {"city": "Paris"}),
        ("What is 17 plus 25?", ToolChoice(mode="required"), "add_numbers", {"a": 17, "b": 25}),
        ("Is it raining in London?", ToolChoice(mode="named", name="get_weather"), "get_weather", {"city": "London"}),
    ],
)
async def test_it_calls_the_right_tool(client, question, choice, name, arguments):
    events = await ask(client, chat(question, tools=TOOLS, tool_choice=choice))
    assert [event.name for event in events if isinstance(event, ToolCallStarted)] == [name]
    called = json.loads("".join(event.arguments for event in events if isinstance(event, ToolCallDelta)))
    assert called | arguments == called
    assert events[-1].reason == "tool_calls"


@pytest.mark.parametrize(
    "hostile",
    [
        {"type": "string", "minLength": 5, "maxLength": 2},
        {"type": "array", "minItems": 5, "maxItems": 2},
        {"type": "string", "pattern": "^a{5,2}$"},
        {"type": "string", "pattern": "^((a*)*)*$"},
        {"type": "integer", "minimum": 5, "maximum": 2},
        {"type": "string", "minLength": 100_000_000},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"type": "object", "properties": {"a": True}, "required": ["a"]},
    ],
    ids=str,
)
async def test_no_schema_stops_it(client, hostile):
    wrapped = {"type": "object", "properties": {"x": hostile}, "required": ["x"]}
    events = await ask(client, chat("Go.", answer_format=AnswerFormat(schema=wrapped), max_tokens=1))
    assert events[-1].reason == "length"


async def test_an_answer_that_nobody_reads_is_given_up(client):
    long = {"model": NAME, "messages": CAPITAL, "max_tokens": 1900, "extra_body": {"ignore_eos": True}}
    stream = await client.chat.completions.create(**long, stream=True)
    await anext(stream)
    await stream.close()
    started = time.monotonic()
    # There is one slot: this would wait for half a minute.
    await client.chat.completions.create(model=NAME, messages=CAPITAL, max_tokens=1)
    assert time.monotonic() - started < 10


async def test_killed_it_is_back_with_the_next_call(models, alarm):
    before = await models.address(NAME)
    alarm.watch(before.pid)
    os.kill(before.pid, signal.SIGKILL)
    assert await alarm.awaits(before.pid)
    after = await models.address(NAME)
    assert after.pid != before.pid
    async with client_of(after) as client:
        answer = await client.chat.completions.create(model=NAME, messages=CAPITAL, temperature=0, max_tokens=40)
    assert "Paris" in answer.choices[0].message.content


async def test_ctrl_c_is_not_for_it(models):
    address = await models.address(NAME)
    os.kill(address.pid, signal.SIGINT)
    async with client_of(address) as client:
        await client.chat.completions.create(model=NAME, messages=CAPITAL, max_tokens=1)
    assert (await models.address(NAME)).pid == address.pid


async def test_a_file_that_is_no_model(tmp_path):
    garbage = tmp_path / "garbage.gguf"
    garbage.write_bytes(b"GGUF" + bytes(range(256)) * 64)
    models = serving(garbage)
    with pytest.raises(Unavailable) as caught:
        await models.address(NAME)
    assert "garbage.gguf" in caught.value.message
    assert len(caught.value.message) < 1000
    assert caught.value.retry_after is not None
    await models.aclose()


async def test_an_idle_one_lets_its_weights_go_and_comes_back(smollm2):
    models = serving(smollm2, idle_seconds=1)
    address = await models.address(NAME)
    full = resident_bytes(address.pid)
    async with asyncio.timeout(10):
        while resident_bytes(address.pid) > full / 2:
            await asyncio.sleep(0.1)  # nothing tells of it but its memory
    async with client_of(await models.address(NAME)) as client:
        answer = await client.chat.completions.create(model=NAME, messages=CAPITAL, temperature=0, max_tokens=40)
    assert "Paris" in answer.choices[0].message.content
    assert (await models.address(NAME)).pid == address.pid
    await models.aclose()


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_it_dies_with_a_parent_that_is_killed(smollm2, alarm):
    with subprocess.Popen([sys.executable, str(PARENT), str(smollm2)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        alarm.watch(pid)
        parent.kill()
    assert await alarm.awaits(pid)
