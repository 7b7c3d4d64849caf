"""When a worker is started, shared, brought back, left alone and stopped: with a worker that holds no model."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
import uvloop

from isthmus.errors import NotFound, Unavailable
from isthmus.local.model import LocalLimits, LocalModel
from isthmus.local.supervisor import LocalModels

NAME = "@cf/local/test"
QUICK = LocalLimits(start_timeout_seconds=10, stop_grace_seconds=2)


class FakeClock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def models_with(gguf: Path, command, limits=QUICK, clock=None) -> LocalModels:
    return LocalModels({NAME: LocalModel(file=gguf, parallel=7)}, limits, clock=clock, command=command)


async def refusal(models: LocalModels, name: str = NAME) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        await models.address(name)
    return caught.value


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_a_hundred_first_callers_share_one_process(gguf, fake_worker):
    models = models_with(gguf, fake_worker.command("serve"))
    addresses = await asyncio.gather(*(models.address(NAME) for _ in range(100)))
    assert fake_worker.starts == 1
    assert len(set(map(id, addresses))) == 1
    assert addresses[0].base_url == "http://127.0.0.1:7/v1/"
    assert len(addresses[0].api_key) >= 32
    assert await models.address(NAME) is addresses[0]
    await models.aclose()
    assert gone(addresses[0].pid)


async def test_a_caller_who_leaves_does_not_end_the_start_for_the_others(gguf, fake_worker):
    models = models_with(gguf, fake_worker.command("serve"))
    leaver, stayer = (asyncio.create_task(models.address(NAME)) for _ in range(2))
    await asyncio.sleep(0)  # both wait for the start now
    leaver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    assert (await stayer).pid in fake_worker.pids
    assert fake_worker.starts == 1
    await models.aclose()


async def test_a_start_that_everybody_left_is_there_for_the_next(gguf, fake_worker):
    models = models_with(gguf, fake_worker.command("serve"))
    leaver = asyncio.create_task(models.address(NAME))
    await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.wait([leaver])
    await models.address(NAME)
    assert fake_worker.starts == 1
    await models.aclose()


async def test_a_worker_that_was_killed_is_back_with_the_next_call(gguf, fake_worker, alarm):
    models = models_with(gguf, fake_worker.command("serve"))
    first = await models.address(NAME)
    alarm.watch(first.pid)
    os.kill(first.pid, signal.SIGKILL)
    assert await alarm.awaits(first.pid)
    second = await models.address(NAME)
    assert second.pid != first.pid
    assert second.api_key != first.api_key
    await models.aclose()


async def test_failed_starts_back_off_and_are_refused_at_once_meanwhile(gguf, fake_worker):
    clock = FakeClock()
    limits = LocalLimits(backoff_seconds=1, backoff_ceiling_seconds=5)
    models = models_with(gguf, fake_worker.command("refuse"), limits, clock)
    for start, wait in enumerate([1, 2, 4, 5, 5], start=1):
        error = await refusal(models)
        assert "no such model" in error.message
        assert (error.status, error.retry_after) == (503, wait)
        errors = await asyncio.gather(*(refusal(models) for _ in range(50)))
        assert fake_worker.starts == start
        assert {again.retry_after for again in errors} == {wait}
        assert f"failed {start} times" in errors[0].message
        assert "no such model" in errors[0].message
        clock.seconds += wait
    await models.aclose()


async def test_the_first_death_is_mended_at_once_and_a_series_is_not(gguf, fake_worker, alarm):
    clock = FakeClock()
    models = models_with(gguf, fake_worker.command("serve"), LocalLimits(steady_seconds=60), clock)

    async def die() -> None:
        pid = (await models.address(NAME)).pid
        alarm.watch(pid)
        os.kill(pid, signal.SIGKILL)
        assert await alarm.awaits(pid)

    await die()
    await die()
    error = await refusal(models)
    assert error.retry_after == 2
    assert "signal 9" in error.message
    assert fake_worker.starts == 2
    clock.seconds += 2
    await models.address(NAME)
    clock.seconds += 60  # it has proved steady: what went before is forgotten
    await die()
    await models.address(NAME)
    assert fake_worker.starts == 4
    await models.aclose()


async def test_workers_that_die_as_soon_as_they_are_ready_make_no_storm(gguf, fake_worker):
    models = models_with(gguf, fake_worker.command("brief"), clock=FakeClock())
    with pytest.raises(Unavailable):
        while True:
            await models.address(NAME)
            await asyncio.to_thread(os.sched_yield)
    for error in await asyncio.gather(*(refusal(models) for _ in range(200))):
        assert error.retry_after == 2
    assert fake_worker.starts == 2
    await models.aclose()


async def test_a_crash_while_loading_is_told_with_the_last_lines_and_no_more(gguf, fake_worker):
    models = models_with(gguf, fake_worker.command("crash"))
    error = await refusal(models)
    assert "exit code 3" in error.message
    assert "xxx | the last line" in error.message
    assert "first line" not in error.message
    assert len(error.message) < 5000
    await models.aclose()


async def test_nonsense_for_a_report_is_a_failed_start(gguf, fake_worker):
    models = models_with(gguf, fake_worker.command("nonsense"))
    assert "makes no sense" in (await refusal(models)).message
    assert gone(fake_worker.pids[0])
    await models.aclose()


async def test_a_start_that_takes_too_long_is_given_up(gguf, fake_worker):
    limits = LocalLimits(start_timeout_seconds=0.3, stop_grace_seconds=2)
    models = models_with(gguf, fake_worker.command("hang"), limits)
    assert "not ready within 0.3 seconds" in (await refusal(models)).message
    assert all(gone(pid) for pid in fake_worker.pids)
    await models.aclose()


async def test_a_command_that_is_not_there_is_a_failed_start(gguf):
    models = models_with(gguf, ("/nowhere/python",))
    assert "/nowhere/python" in (await refusal(models)).message
    await models.aclose()


async def test_a_worker_deaf_to_sigterm_is_killed(gguf, fake_worker):
    models = models_with(gguf, fake_worker.command("stubborn"), LocalLimits(stop_grace_seconds=0.2))
    pid = (await models.address(NAME)).pid
    await models.aclose()
    assert gone(pid)


async def test_stopping_while_a_start_is_under_way(gguf, fake_worker):
    models = models_with(gguf, fake_worker.command("hang"))
    waiting = asyncio.create_task(refusal(models))
    while fake_worker.starts == 0:
        await asyncio.to_thread(os.sched_yield)
    await models.aclose()
    assert "stopping" in (await waiting).message
    assert gone(fake_worker.pids[0])
    assert "stopping" in (await refusal(models)).message
    await models.aclose()


async def test_stopping_before_a_start_has_begun(gguf, fake_worker):
    models = models_with(gguf, fake_worker.command("serve"))
    waiting = asyncio.create_task(refusal(models))
    await asyncio.sleep(0)  # it waits for a start that has not had its turn yet
    await models.aclose()
    assert "stopping" in (await waiting).message
    assert fake_worker.starts == 0


async def test_a_missing_file_says_how_to_get_it_and_is_no_strike(tmp_path, fake_worker):
    file = tmp_path / "absent.gguf"
    described = {NAME: LocalModel(file=file, fetch_name="smollm2"), "@cf/local/own": LocalModel(file=file)}
    models = LocalModels(described, command=fake_worker.command("serve"))
    error = await refusal(models)
    assert "isthmus model get smollm2" in error.message
    assert error.retry_after is None
    assert str(file) in (await refusal(models, "@cf/local/own")).message
    assert fake_worker.starts == 0
    file.touch()
    await models.address(NAME)
    await models.aclose()


async def test_an_unknown_name(gguf):
    models = models_with(gguf, ("unused",))
    with pytest.raises(NotFound):
        await models.address("@cf/local/other")
    await models.aclose()


async def test_the_worker_sees_none_of_the_gateways_secrets(gguf, fake_worker, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    models = models_with(gguf, fake_worker.command("environment"))
    error = await refusal(models)
    assert "PATH" in error.message
    assert "OPENAI_API_KEY" not in error.message
    await models.aclose()


async def test_a_missing_runtime_says_how_to_install_it(gguf):
    without = "import sys; sys.modules['xllamacpp'] = None; from isthmus.local.worker import main; main()"
    models = models_with(gguf, (sys.executable, "-c", without))
    assert "pip install 'isthmus[local]'" in (await refusal(models)).message
    await models.aclose()


def test_it_works_on_uvloop(gguf, fake_worker):
    async def use() -> int:
        models = models_with(gguf, fake_worker.command("serve"))
        first = await models.address(NAME)
        os.kill(first.pid, signal.SIGKILL)
        while (await models.address(NAME)).pid == first.pid:
            await asyncio.to_thread(os.sched_yield)
        await models.aclose()
        return fake_worker.starts

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(use()) == 2
    assert all(gone(pid) for pid in fake_worker.pids)
