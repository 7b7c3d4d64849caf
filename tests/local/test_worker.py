"""A worker whose model takes for ever to load: its gateway's end is its own."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

PARENT = Path(__file__).parent / "parent_process.py"
LOADS_FOR_EVER = """
import os, sys, time, types

class CommonParams:
    model = cpuparams = cpuparams_batch = types.SimpleNamespace()

def load(params):
    with open({fifo!r}, "w") as told:
        told.write(str(os.getpid()))
    time.sleep(3600)

sys.modules["xllamacpp"] = types.SimpleNamespace(CommonParams=CommonParams, Server=load)
from isthmus.local.worker import main
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere an orphan goes when it has loaded")
async def test_it_dies_with_its_parent_even_while_it_loads(gguf, tmp_path, alarm):
    fifo = tmp_path / "loading"
    os.mkfifo(fifo)
    command = [sys.executable, "-c", LOADS_FOR_EVER.format(fifo=str(fifo))]
    with subprocess.Popen([sys.executable, str(PARENT), str(gguf), *command]) as parent:
        pid = int(await asyncio.to_thread(fifo.read_text))
        alarm.watch(pid)
        parent.kill()
    assert await alarm.awaits(pid)
