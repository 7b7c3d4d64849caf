"""What a local model is, within which limits it is run, and what its process is told. Values only."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

# More than this gains little for the small models this is meant for, and takes cores from the gateway.
MOST_THREADS = 4


class LocalModel(msgspec.Struct, frozen=True, kw_only=True):
    """A file of weights, mostly GGUF, and how to serve it.

    `context_tokens` is what one call may use; each of the `parallel` calls served at once has that much for itself.
    `answer_tokens` bounds an answer whose caller named no bound (a small model may otherwise ramble until its
    context is full). `cache_mib` bounds the memory that remembers earlier prompts. `fetch_name` is what
    `isthmus model get` calls the weights, None for an operator's own file. `worker` is the module that serves it,
    `remedy` what to do where the file is missing, None: what can be told from the rest.
    """

    file: Path
    context_tokens: int = 8192
    parallel: int = 2
    threads: int | None = None
    answer_tokens: int = 1024
    cache_mib: int = 128
    fetch_name: str | None = None
    worker: str = "isthmus.local.worker"
    remedy: str | None = None

    @property
    def thread_count(self) -> int:
        """One core is left to the gateway. Threads wait for each other by spinning: where they have to share a core
        with anything else, two are ten times slower than one (2 tokens/s against 21)."""
        return self.threads or min(MOST_THREADS, max(1, (os.cpu_count() or 1) - 1))


class LocalLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`backoff_seconds` is the first wait after a failed start; it doubles up to `backoff_ceiling_seconds`.
    A process that served for `steady_seconds` has its earlier failures forgotten. After `idle_seconds` without a
    call the weights are let go and come back with the next call, which waits for them (0: never)."""

    start_timeout_seconds: float = 120.0
    backoff_seconds: float = 1.0
    backoff_ceiling_seconds: float = 60.0
    steady_seconds: float = 60.0
    stop_grace_seconds: float = 5.0
    idle_seconds: int = 0


class LocalAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a running model answers, in OpenAI's chat completions or embeddings, and the key that it demands."""

    base_url: str
    api_key: str
    pid: int


class WorkerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a worker's standard input. Not its command line, which everyone may read: it has a key."""

    name: str
    file: str
    api_key: str
    context_tokens: int
    parallel: int
    threads: int
    answer_tokens: int
    cache_mib: int
    idle_seconds: int


class WorkerReport(msgspec.Struct, frozen=True, kw_only=True):
    """The one line of a worker's standard output: `port` when it is ready to answer, else `error`."""

    port: int | None = None
    error: str | None = None
