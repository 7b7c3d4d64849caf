"""Whether a request on `/ai/run`, whose address does not say it, is one for vectors, and in which form."""

from __future__ import annotations

import re

from isthmus.wire.body import Body

# As the catalogue tells such models by their names; what ranks texts gives no vectors.
_EMBEDS = re.compile(r"(?!.*rerank).*(?:embed|bge-|(?:^|[-/])e5-|(?:^|[-/])gte-|voyage)")
_CHAT_FIELDS = ("messages", "prompt", "contents")
_LIST = re.compile(rb"\[[ \t\r\n]*[^{\] \t\r\n]")


def run_dialect(model: str, body: Body) -> str | None:
    """None where it is for something else. Beside models that are named as such ones are, a list of texts or of token
    numbers tells: it is no input to any other model."""
    if any(name in body for name in _CHAT_FIELDS):
        return None
    embeds = _EMBEDS.match(model.lower()) is not None
    if "input" not in body:
        return "workers_ai_embeddings" if embeds and "text" in body else None
    given = bytes(memoryview(body.fields["input"])[:64])
    return "openai_embeddings" if embeds or _LIST.match(given) else None
