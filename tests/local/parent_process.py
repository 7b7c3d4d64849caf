"""A small gateway, to be killed: serves the file of its first argument, by the worker that the others name."""

import asyncio
import sys
from pathlib import Path

from isthmus.local.model import LocalModel
from isthmus.local.supervisor import LocalModels


async def main(file: str, *command: str) -> None:
    model = LocalModel(file=Path(file), context_tokens=512, parallel=1, threads=1)
    models = LocalModels({"model": model}, command=command or None)
    address = await models.address("model")
    print(address.pid, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
