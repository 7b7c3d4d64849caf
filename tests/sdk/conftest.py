"""The gateway as its users have it: `isthmus serve` in a process of its own, the strict simulator in another behind it,
the real local model, and the official SDKs in front. One of each for the whole session.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Any

import anthropic
import cloudflare
import httpx
import openai
import pytest

from isthmus.local import weights
from sdk.targets import AWS, KEYS, SECRETS, configuration

ACCOUNT = "5d" * 16
TOKEN = "token-of-the-sdk-tests"
STOP_SECONDS = 30

STRICT: Any = {"_strict_response_validation": True}
"""An answer, or an event of a stream, that is not what the SDK's own types say is an error."""


class Process:
    """A command of ours as an operator runs it, ready when `sign` has appeared in one of its lines."""

    def __init__(self, arguments: list[str], directory: Path, sign: str, *, on_stderr: bool) -> None:
        self.lines: list[str] = []
        self._sign = sign
        self._ready = threading.Event()
        self._announced = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "isthmus", *arguments],
            cwd=directory,
            env={**_without_settings(), **KEYS, **AWS},
            stdout=subprocess.DEVNULL if on_stderr else subprocess.PIPE,
            stderr=subprocess.PIPE if on_stderr else subprocess.DEVNULL,
            text=True,
        )
        said = self.process.stderr if on_stderr else self.process.stdout
        assert said is not None
        self._listener = threading.Thread(target=self._listen, args=(said,), daemon=True)
        self._listener.start()

    def announced(self) -> str:
        """The rest of the line after the sign."""
        assert self._ready.wait(STOP_SECONDS) and self._announced, "".join(self.lines)
        return self._announced

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._listener.join()

    def _listen(self, said: IO[str]) -> None:
        """To the end: a pipe that nobody empties would stop the process."""
        with said:
            for line in said:
                self.lines.append(line)
                if self._sign in line and not self._announced:
                    self._announced = line.rpartition(self._sign)[2].strip()
                    self._ready.set()
        self._ready.set()


def _without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("ISTHMUS_")}


@pytest.fixture(scope="session")
def simulator_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("simulator")
    process = Process(["simulate", "--port", "0", "--seed", "1"], directory, " at ", on_stderr=False)
    yield process.announced().split(" ")[0]
    assert process.stop(signal.SIGINT) == 0


class Served:
    """Where the gateway is, and what its account's owner can ask it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.account = ACCOUNT
        self.token = TOKEN
        self.ai = f"{url}/client/v4/accounts/{ACCOUNT}/ai"
        self.client = httpx.Client(headers={"authorization": f"Bearer {TOKEN}"}, timeout=60)

    def row(self, log_id: str) -> dict[str, Any]:
        """The row of one call: it is there when the caller has the end of its answer."""
        answer = self._log(log_id)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()["result"]
        return result

    def row_at_last(self, log_id: str) -> dict[str, Any]:
        """Where the caller may have left before the end: the gateway has to see that first."""
        deadline = time.monotonic() + STOP_SECONDS
        while self._log(log_id).status_code == 404 and time.monotonic() < deadline:
            pass
        return self.row(log_id)

    def _log(self, log_id: str) -> httpx.Response:
        account = f"{self.url}/client/v4/accounts/{ACCOUNT}"
        return self.client.get(f"{account}/ai-gateway/gateways/default/logs/{log_id}")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, simulator_url: str, smollm2: Path) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("gateway")
    data = directory / "data"
    link = weights.path_of(weights.find("smollm2"), data)
    link.parent.mkdir(parents=True)
    link.symlink_to(smollm2.resolve())
    config = directory / "gateway.toml"
    config.write_text(configuration(simulator_url))
    arguments = ["serve", "--port", "0", "--data", str(data), "--config", str(config)]
    process = Process(
        [*arguments, "--account-id", ACCOUNT, "--api-token", TOKEN], directory, "ready at ", on_stderr=True
    )
    gateway = Served(process.announced())
    yield gateway
    gateway.client.close()
    assert process.stop(signal.SIGTERM) == 0
    told = "".join(process.lines)
    assert "Traceback" not in told and " ERROR " not in told, told
    assert not [secret for secret in (TOKEN, *SECRETS) if secret in told]


@pytest.fixture(scope="session")
def openai_client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.ai}/v1", api_key=TOKEN, max_retries=0, timeout=60, **STRICT) as client:
        yield client


@pytest.fixture
async def async_openai(served: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{served.ai}/v1", api_key=TOKEN, max_retries=0, timeout=60, **STRICT
    ) as client:
        yield client


@pytest.fixture(scope="session")
def anthropic_client(served: Served) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=served.ai, api_key=TOKEN, max_retries=0, timeout=60, **STRICT) as client:
        yield client


@pytest.fixture
async def async_anthropic(served: Served) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        base_url=served.ai, auth_token=TOKEN, max_retries=0, timeout=60, **STRICT
    ) as client:
        yield client


@pytest.fixture(scope="session")
def cloudflare_client(served: Served) -> Iterator[cloudflare.Cloudflare]:
    url = f"{served.url}/client/v4"
    with cloudflare.Cloudflare(base_url=url, api_token=TOKEN, max_retries=0, timeout=60, **STRICT) as client:
        yield client
