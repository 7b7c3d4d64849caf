"""Speaks a worker's protocol without a model. Its arguments: how it behaves, and where to note its pid."""

import json
import os
import signal
import sys
import time


def main(mode: str, record: str) -> None:
    with open(record, "a") as file:
        file.write(f"{os.getpid()}\n")
    order = json.loads(sys.stdin.buffer.readline())
    if mode == "crash":
        print("first line", "x" * 100_000, "the last line", sep="\n", file=sys.stderr, flush=True)
        sys.exit(3)
    if mode == "nonsense":
        tell("hello")
    if mode == "refuse":
        tell(json.dumps({"error": "no such model"}))
        sys.exit(1)
    if mode == "environment":
        tell(json.dumps({"error": "sees " + " ".join(sorted(os.environ))}))
    if mode == "hang":
        time.sleep(3600)
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell(json.dumps({"port": order["parallel"]}))
    if mode == "brief":
        sys.exit(4)
    while sys.stdin.buffer.read(1):
        pass
    if mode == "stubborn":
        time.sleep(3600)


def tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
