"""The process that holds one local model: llama.cpp's HTTP server on a loopback port, started by `LocalModels`.

It takes its orders from the first line of standard input, reports once on standard output, and lives for as long as
its standard input stays open: a gateway that dies, however it dies, takes it along.
"""

from __future__ import annotations

import ctypes
import http.client
import os
import signal
import sys
import time
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import msgspec

from isthmus.local.model import WorkerOrder, WorkerReport

ERRORS_ONLY = 1  # llama.cpp's log level; 0 would keep back why a file could not be loaded
HEALTH_POLL_SECONDS = 0.02
HEALTH_TIMEOUT_SECONDS = 5.0
PR_SET_PDEATHSIG = 1


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the gateway's, which then stops us
    die_with_parent()
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=WorkerOrder)
    report = take_stdout()
    server = load(order, report)
    if server is not None:
        send(report, WorkerReport(port=await_health(server.listening_address)))
        while sys.stdin.buffer.read(1):  # nothing comes: this waits for the other end to close
            pass
    os._exit(0 if server is not None else 1)  # the server's own shutdown takes a second that nobody needs


def die_with_parent() -> None:
    """Loading holds the interpreter's lock, so the end of standard input cannot be noticed until it is over.
    Linux can kill us by itself; elsewhere the orphan goes when it has loaded."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def take_stdout() -> BinaryIO:
    """Keeps standard output for the report alone: whatever the runtime prints goes to standard error."""
    report = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return report


def send(report: BinaryIO, message: WorkerReport) -> None:
    report.write(msgspec.json.encode(message) + b"\n")
    report.close()


def load(order: WorkerOrder, report: BinaryIO) -> Any:
    """The running server, or None where that was reported to have failed."""
    try:
        from xllamacpp import CommonParams, Server  # type: ignore[import-untyped]  # it has no stubs
    except ImportError as error:
        send(report, WorkerReport(error=f"{error}: pip install 'isthmus[local]'"))
        return None
    try:
        return Server(configure(CommonParams(), order))
    except RuntimeError as error:
        send(report, WorkerReport(error=str(error)))
        return None


def configure(params: Any, order: WorkerOrder) -> Any:
    params.model.path = order.file
    params.model_alias = {order.name}
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # the kernel chooses
    params.api_keys = [order.api_key]
    # The contexts are apart: out of a shared one, two long calls would fail together in the middle of their answers.
    params.n_ctx = order.context_tokens * order.parallel
    params.n_parallel = order.parallel
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = order.threads
    params.cpuparams_batch.n_threads = order.threads
    params.n_predict = order.answer_tokens
    params.cache_ram_mib = order.cache_mib
    params.sleep_idle_seconds = order.idle_seconds or -1
    params.verbosity = ERRORS_ONLY
    params.endpoint_slots = False
    params.ui = False
    return params


def await_health(address: str) -> int:
    """The port, once the server says that it can answer. Whoever started us bounds how long this may take."""
    url = urlsplit(address)
    assert url.hostname is not None
    assert url.port is not None
    while True:
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=HEALTH_TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return url.port
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(HEALTH_POLL_SECONDS)


if __name__ == "__main__":
    main()
