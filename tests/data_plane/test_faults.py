"""What callers get when a provider fails, in each dialect, whole and streamed: never a hang, never a 200 that hides an
error, never a word of the credential; and one row that says how it ended.

A table of faults is tried in every cell of caller's dialect and provider, all cells at once; what went wrong is told
for every row of the table."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from isthmus.simulator import Fault, Simulator

CHAT, RESPONSES, MESSAGES, RUN = "v1/chat/completions", "v1/responses", "v1/messages", "run"
MODELS = {"openai": "openai/gpt-4o", "anthropic": "anthropic/claude-haiku-4.5"}
CELLS = [(path, provider) for path in (CHAT, RESPONSES, MESSAGES, RUN) for provider in MODELS]
NATIVE = {(CHAT, "openai"), (RESPONSES, "openai"), (MESSAGES, "anthropic")}
IDLE_SECONDS = 0.5
NEVER_MS = 3_600_000
SOON_SECONDS = 10.0
OURS = 2005


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A fault, the status that callers get (None: the provider's own), and how the row may say that it ended. `said`:
    the provider stated an error, whose message callers are told; `unchanged`: callers of its dialect get all of it.
    `headers` are the caller's."""

    fault: Fault
    status: int | None = 502
    ends: tuple[str, ...] = ("provider_error",)
    said: bool = False
    unchanged: bool = False
    headers: dict[str, str] = {}


def answered(status: int, *, end: str = "provider_error", retry_after: int | None = None) -> Case:
    fault = Fault(status=status, retry_after=retry_after)
    return Case(fault=fault, status=status, ends=(end,), said=True, unchanged=True)


CUT_SHORT = ("interrupted",)
NONSENSE = ("provider_error", "interrupted")  # half an answer, or none: who can tell

BEFORE_ANY_BYTE: dict[str, Case] = {
    **{str(status): answered(status) for status in (400, 403, 404, 409, 413, 422, 429, 500, 502, 503, 529)},
    "408": answered(408, end="timed_out"),
    "504": answered(504, end="timed_out"),
    "429 with Retry-After": answered(429, retry_after=7),
    "503 with Retry-After": answered(503, retry_after=11),
    "out of credit": Case(fault=Fault(kind="out_of_credit"), status=None, said=True, unchanged=True),
    "401": Case(fault=Fault(status=401), status=503),
    "slow first byte": Case(
        fault=Fault(slow_first_byte_ms=NEVER_MS),
        status=504,
        ends=("timed_out",),
        headers={"cf-aig-request-timeout": "50"},
    ),
    "reset": Case(fault=Fault(kind="reset")),
    "closed without an answer": Case(fault=Fault(kind="close")),
    "wrong content type": Case(fault=Fault(kind="wrong_content_type")),
    "empty body": Case(fault=Fault(kind="empty_body"), ends=NONSENSE),
}

WHOLE: dict[str, Case] = {
    **BEFORE_ANY_BYTE,
    "malformed JSON": Case(fault=Fault(kind="malformed_json"), ends=NONSENSE),
    "truncated": Case(fault=Fault(kind="truncated"), ends=CUT_SHORT),
    "cut": Case(fault=Fault(cut_after=1), ends=CUT_SHORT),
    "reset in the middle": Case(fault=Fault(reset_after=1), ends=CUT_SHORT),
    "stall": Case(fault=Fault(stall_after=1), status=504, ends=("timed_out",)),
    "error instead of an answer": Case(
        fault=Fault(error_event_after=1, status=429), status=429, said=True, unchanged=True
    ),
}

STREAM_BEFORE_ANY_EVENT: dict[str, Case] = {
    **BEFORE_ANY_BYTE,
    "cut in the first event": Case(fault=Fault(cut_after=0), ends=CUT_SHORT),
    "reset after the head": Case(fault=Fault(reset_after=0), ends=CUT_SHORT),
    "stall after the head": Case(fault=Fault(stall_after=0), status=504, ends=("timed_out",)),
    "over before it began": Case(fault=Fault(end_after=0), ends=NONSENSE),
    "error event first": Case(fault=Fault(error_event_after=0, status=429), status=429, said=True),
}

# The caller has part of the answer: the status is 200, and the error comes in-band.
IN_THE_MIDDLE: dict[str, Fault] = {
    "cut": Fault(cut_after=4, delay_ms=1),
    "cut, all at once": Fault(cut_after=4),
    "reset": Fault(reset_after=5, delay_ms=1),
    "stall": Fault(stall_after=5),
    "over too soon": Fault(end_after=5),
    "error event": Fault(error_event_after=5, delay_ms=1),
    "error event, all at once": Fault(error_event_after=5),
    "error event with a status": Fault(error_event_after=5, status=429, delay_ms=1),
    "error event about the key": Fault(error_event_after=5, status=401, delay_ms=1),
}


def directive(fault: Fault) -> str:
    plain = Fault()
    fields = [(name, getattr(fault, name)) for name in Fault.__struct_fields__]
    return " ".join(f"{name}={value}" for name, value in fields if value != getattr(plain, name))


def dialect(path: str, provider: str) -> str:
    """In which the caller speaks and hears."""
    return path if path != RUN else {"openai": CHAT, "anthropic": MESSAGES}[provider]


def refusal(path: str, answer: httpx.Response) -> tuple[int, str]:
    """Code and message of an error that we wrote, its shape checked (data-plane 5.1)."""
    found = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert found["success"] is False
    (problem,) = found["errors"]
    if path == RUN:
        assert set(found) == {"result", "success", "errors", "messages"} and found["result"] is None
    elif path == MESSAGES:
        assert found["type"] == "error" and found["error"]["type"].endswith(("_error", "_large"))
        assert found["request_id"] == answer.headers["cf-aig-request-id"]
        assert found["error"]["message"] == problem["message"]
    else:
        assert set(found["error"]) == {"message", "type", "param", "code"}
        assert found["error"]["message"] == problem["message"] and found["error"]["code"] == str(problem["code"])
    return problem["code"], problem["message"]


def events_of(text: str) -> list[tuple[str | None, Any]]:
    """A stream's events, each of them whole."""
    assert text.endswith("\n\n")
    events = []
    for block in text[:-2].split("\n\n"):
        lines = block.split("\n")
        name = next((line[7:] for line in lines if line.startswith("event: ")), None)
        (data,) = (line[6:] for line in lines if line.startswith("data: "))
        events.append((name, data if data == "[DONE]" else msgspec.json.decode(data)))
    return events


def in_band(spoken: str, text: str) -> str:
    """The message of the error that a stream ends with; and that nothing says that the answer is complete."""
    events = events_of(text)
    names = {name for name, _ in events}
    name, last = events[-1]
    if spoken == CHAT:
        assert {"message", "type", "code"} <= set(last["error"])
        return str(last["error"]["message"])
    if spoken == MESSAGES:
        assert name == "error" == last["type"] and last["error"]["type"]
        assert "message_stop" not in names
        return str(last["error"]["message"])
    assert "response.completed" not in names
    (error,) = (event for name, event in events if name == "error")
    assert error["type"] == "error" and "sequence_number" in error
    return str(error.get("message") or error["error"]["message"])


def nothing_secret(answer: httpx.Response) -> None:
    for secret in (b"sk-openai-test", b"sk-ant-test", b"Incorrect API key", b"invalid x-api-key"):
        assert secret not in answer.content


class Cell:
    """One caller's dialect at one provider."""

    def __init__(self, gateway: Any, simulator: Simulator, path: str, provider: str) -> None:
        self.gateway = gateway
        self.path = path
        self.provider = provider
        self.dialect = dialect(path, provider)
        self.relayed = (self.dialect, provider) in NATIVE
        self.native = (path, provider) in NATIVE
        self._simulator = simulator
        self._calls = 0

    async def call(
        self, fault: Fault, stream: bool, headers: dict[str, str] | None = None
    ) -> tuple[httpx.Response, list[Any]]:
        """The answer, and the requests that the provider had for it."""
        self._calls += 1
        mark = f"({self.path} {self.provider} {self._calls})"
        text = f"Say eight words or so {mark}. [[sim: {directive(fault)}]]"
        asked: dict[str, Any] = {"messages": [{"role": "user", "content": text}], "max_tokens": 100, "stream": stream}
        if self.path == RESPONSES:
            asked = {"input": text, "stream": stream}
        elif self.path == RUN:
            asked = {"input": asked}
        async with asyncio.timeout(SOON_SECONDS):
            answer = await self.gateway.post(self.path, {"model": MODELS[self.provider], **asked}, headers=headers)
        return answer, [request for request in self._simulator.requests if mark.encode() in request.body]

    async def row(self, answer: httpx.Response) -> dict[str, Any]:
        found = await self.gateway.manage("GET", f"gateways/default/logs/{answer.headers['cf-aig-log-id']}")
        row: dict[str, Any] = found.json()["result"]
        assert row["model"] == MODELS[self.provider] and row["provider"] == self.provider
        return row

    async def stated(self, request: Any) -> bytes:
        """The provider's own words, had again by the same request."""
        headers = [pair for pair in request.headers if pair[0].lower() not in (b"host", b"content-length")]
        url = self._simulator.base_url + request.path
        answer = await self.gateway.client.post(url, content=request.body, headers=headers)
        return bytes(answer.content)

    async def try_all(self, table: Mapping[str, Any], check: Callable[[Cell, Any], Awaitable[None]]) -> dict[str, str]:
        wrong = {}
        for name, case in table.items():
            try:
                await check(self, case)
            except (AssertionError, ValueError, KeyError, TimeoutError) as error:
                wrong[f"{self.path} {self.provider}: {name}"] = f"{type(error).__name__}: {error}"
        return wrong


Try = Callable[[Mapping[str, Any], Callable[[Cell, Any], Awaitable[None]]], Awaitable[None]]


@pytest.fixture
async def try_everywhere(start_gateway: Any, simulator: Simulator) -> Try:
    """Tries a table in every cell, and counts the rows: one for each call."""
    gateway = await start_gateway(idle_timeout_seconds=IDLE_SECONDS)

    async def everywhere(table: Mapping[str, Any], check: Callable[[Cell, Any], Awaitable[None]]) -> None:
        cells = [Cell(gateway, simulator, *cell) for cell in CELLS]
        wrong: dict[str, str] = {}
        for found in await asyncio.gather(*(cell.try_all(table, check) for cell in cells)):
            wrong |= found
        assert not wrong, "\n".join(f"{name}: {reason}" for name, reason in wrong.items())
        logs = (await gateway.manage("GET", "gateways/default/logs?per_page=1")).json()
        assert logs["result_info"]["total_count"] == len(CELLS) * len(table)

    return everywhere


def check_refused(stream: bool) -> Callable[[Cell, Case], Awaitable[None]]:
    async def check(cell: Cell, case: Case) -> None:
        answer, requests = await cell.call(case.fault, stream, case.headers)
        # A connection that had rested and was closed without a byte is tried once more, on a new one.
        assert len(requests) == 1 or (case.fault.kind in ("reset", "close") and len(requests) == 2)
        assert answer.status_code == (requests[-1].status if case.status is None else case.status)
        nothing_secret(answer)
        stated = await cell.stated(requests[-1]) if case.said else b""
        if case.unchanged and cell.native:
            assert re.sub(rb"req_\w+", b"", answer.content) == re.sub(rb"req_\w+", b"", stated)
        else:
            code, message = refusal(cell.path, answer)
            assert code == OURS and len(message) > 5
            assert not stated or b"<html>" in stated or message in stated.decode()
        retry_after = case.fault.retry_after
        assert answer.headers.get("retry-after") == (None if retry_after is None else str(retry_after))
        row = await cell.row(answer)
        assert (row["status_code"], row["success"]) == (answer.status_code, False)
        assert row["end"] in case.ends, row["end"]
        assert row["error_code"] == OURS and row["error_message"] and row["tokens_out"] is None

    return check


async def test_whole(try_everywhere: Try) -> None:
    await try_everywhere(WHOLE, check_refused(stream=False))


async def test_stream_refused_before_its_first_event(try_everywhere: Try) -> None:
    await try_everywhere(STREAM_BEFORE_ANY_EVENT, check_refused(stream=True))


async def check_interrupted(cell: Cell, fault: Fault) -> None:
    answer, requests = await cell.call(fault, True)
    assert len(requests) == 1
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["transfer-encoding"] == "chunked"  # and httpx has seen its end
    assert len(in_band(cell.dialect, answer.text)) > 5
    assert "role" in answer.text  # part of the answer came through
    if not (cell.relayed and fault.status == 401):  # relayed events are the provider's own, byte for byte
        nothing_secret(answer)
    row = await cell.row(answer)
    assert (row["status_code"], row["success"], row["end"]) == (200, False, "interrupted")
    assert row["error_code"] == OURS and row["error_message"]


async def test_stream_interrupted_in_the_middle(try_everywhere: Try) -> None:
    await try_everywhere(IN_THE_MIDDLE, check_interrupted)


async def check_malformed(cell: Cell, fault: Fault) -> None:
    answer, _ = await cell.call(fault, True)
    row = await cell.row(answer)
    if cell.relayed:
        assert (answer.status_code, row["end"]) == (200, "completed")
    elif fault.delay_ms:
        assert in_band(cell.dialect, answer.text)
        assert (row["status_code"], row["success"], row["end"]) == (200, False, "interrupted")
    else:
        assert answer.status_code == row["status_code"] == 502
        assert refusal(cell.path, answer)[0] == OURS


async def test_no_json_in_the_middle_of_a_stream(try_everywhere: Try) -> None:
    """Relayed byte for byte, as the provider's own SDK would have met it; to another dialect it cannot be read."""
    kind: Any = "malformed_json"
    await try_everywhere({"at once": Fault(kind=kind), "slowly": Fault(kind=kind, delay_ms=1)}, check_malformed)


async def check_complete(cell: Cell, fault: Fault) -> None:
    answer, _ = await cell.call(fault, True)
    assert answer.status_code == 200
    name, last = events_of(answer.text)[-1]
    assert (name or last) == {CHAT: "[DONE]", RESPONSES: "response.completed", MESSAGES: "message_stop"}[cell.dialect]
    row = await cell.row(answer)
    assert (row["status_code"], row["success"], row["end"]) == (200, True, "completed")
    assert row["tokens_out"] > 0 and row["finish_reason"] == "stop"


async def test_a_stream_that_lacks_only_its_last_chunk_is_complete(try_everywhere: Try) -> None:
    """The answer's own end has come: that of its transport adds nothing."""
    kind: Any = "truncated"
    await try_everywhere({"at once": Fault(kind=kind), "slowly": Fault(kind=kind, delay_ms=1)}, check_complete)


async def check_not_streamed(cell: Cell, fault: Fault) -> None:
    answer, _ = await cell.call(fault, True)
    assert answer.status_code == 200
    if cell.relayed:
        assert answer.headers["content-type"] == "application/json" and answer.json()
    else:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert len(events_of(answer.text)) > 2
    row = await cell.row(answer)
    assert (row["status_code"], row["success"], row["end"]) == (200, True, "completed")
    assert row["tokens_out"] > 0 and row["streamed"] is True


async def test_a_whole_answer_to_a_stream(try_everywhere: Try) -> None:
    """The same dialect: as the provider sent it, which its content type tells. Another: streamed all the same."""
    await try_everywhere({"whole": Fault(kind="not_streamed")}, check_not_streamed)


@pytest.mark.parametrize("kind", ["reset", "close"])
async def test_nothing_is_asked_twice_on_a_new_connection(gateway: Any, simulator: Simulator, kind: Any) -> None:
    answer, requests = await Cell(gateway, simulator, CHAT, "openai").call(Fault(kind=kind), False)
    assert answer.status_code == 502 and len(requests) == 1


async def test_a_slow_provider_is_left_at_once(gateway: Any, simulator: Simulator) -> None:
    cell = Cell(gateway, simulator, CHAT, "openai")
    fault = Fault(slow_first_byte_ms=NEVER_MS)
    answer, (request,) = await cell.call(fault, True, {"cf-aig-request-timeout": "50"})
    assert answer.status_code == 504
    await asyncio.wait_for(request.closed_early.wait(), SOON_SECONDS)


async def test_slow_beyond_the_setting(start_gateway: Any, simulator: Simulator) -> None:
    gateway = await start_gateway(first_byte_timeout_seconds=0.05)
    slow = Fault(slow_first_byte_ms=NEVER_MS)
    for path, stream in ((CHAT, True), (RESPONSES, False), (MESSAGES, True), (RUN, False)):
        answer, _ = await Cell(gateway, simulator, path, "openai").call(slow, stream)
        assert answer.status_code == 504 and refusal(path, answer)[0] == OURS
    assert {row["end"] for row in await gateway.rows()} == {"timed_out"}
    # What the caller asks for goes before it, up as well as down.
    cell = Cell(gateway, simulator, CHAT, "anthropic")
    answer, _ = await cell.call(Fault(slow_first_byte_ms=120), False, {"cf-aig-request-timeout": "20000"})
    assert answer.status_code == 200


def declare(path: Path, openai_url: str, anthropic_url: str, more: str = "") -> str:
    path.write_text(
        f'[providers.openai]\nbase_url = "{openai_url}"\nallow_private_address = true\n{more}'
        f'[providers.anthropic]\nbase_url = "{anthropic_url}"\nallow_private_address = true\n{more}'
    )
    return str(path)


async def test_a_dead_provider(start_gateway: Any, simulator: Simulator, tmp_path: Path) -> None:
    dead = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{dead.sockets[0].getsockname()[1]}/"
    dead.close()
    await dead.wait_closed()
    gateway = await start_gateway(config_file=declare(tmp_path / "dead.toml", url, url))
    for cell in CELLS:
        for stream in (False, True):
            answer, _ = await Cell(gateway, simulator, *cell).call(Fault(), stream)
            assert answer.status_code == 502
            code, message = refusal(cell[0], answer)
            assert code == OURS and "could not be reached" in message
    rows = await gateway.rows()
    assert len(rows) == 2 * len(CELLS)
    assert {(row["status_code"], row["end"], row["success"]) for row in rows} == {(502, "provider_error", False)}


async def test_a_refused_credential_is_our_fault_and_not_quoted(
    start_gateway: Any, simulator: Simulator, tmp_path: Path
) -> None:
    """OpenAI quotes parts of the key in this very answer."""
    (tmp_path / "key").write_text("wrong-key")
    credential = f'credential = "file:{tmp_path / "key"}"\n'
    config = declare(tmp_path / "wrong.toml", simulator.openai_url, simulator.anthropic_url, credential)
    gateway = await start_gateway(config_file=config)
    for cell in CELLS:
        for stream in (False, True):
            answer, _ = await Cell(gateway, simulator, *cell).call(Fault(), stream)
            assert answer.status_code == 503
            code, message = refusal(cell[0], answer)
            assert code == OURS and cell[1] in message
            assert b"wrong" not in answer.content
    assert all("wrong" not in row["error_message"] for row in await gateway.rows())
