"""A caller's embeddings request in OpenAI's form. https://platform.openai.com/docs/api-reference/embeddings/create

`input_type`, which OpenAI has not, is read as NVIDIA, OpenRouter and GitHub spell it: what the vectors are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.embeddings.embed import Embed, Purpose
from isthmus.errors import InvalidRequest
from isthmus.wire.body import Body

INPUTS_MAX = 2048
"""OpenAI's own bound, for whoever answers."""
DIMENSIONS_MAX = 65_536
TOKEN_MAX = 2**31 - 1
OURS = ("options", "gateway")

_KNOWN = frozenset(("model", "input", "encoding_format", "dimensions", "user", "input_type", "stream", *OURS))
_PURPOSES: dict[str, Purpose] = {
    "query": "query",
    "search_query": "query",
    "document": "document",
    "passage": "document",
    "search_document": "document",
    "similarity": "similarity",
    "semantic_similarity": "similarity",
    "classification": "classification",
    "clustering": "clustering",
}


def read_request(body: Body) -> Embed:
    receipt = Receipt()
    refuse_stream(body)
    for name in body.fields:
        if name not in _KNOWN and body.value(name) is not None:
            receipt.lost(name, "no other dialect has it")
    given = body.value("input")
    texts, tokens = read_input(given, "input")
    return Embed(
        model=_text(body, "model") or "",
        texts=texts,
        tokens=tokens,
        many=not isinstance(given, str) and not (tokens and isinstance(given[0], int)),
        dimensions=_dimensions(body.value("dimensions")),
        as_base64=_encoding(body.value("encoding_format")) == "base64",
        purpose=_purpose(body.value("input_type"), receipt),
        user=_text(body, "user"),
        unplaced=receipt.notes(),
    )


def refuse_stream(body: Body) -> None:
    if body.value("stream") is True:
        raise InvalidRequest("Vectors are not streamed: leave `stream` out.", param="stream")


def read_input(given: Any, name: str) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """The texts, or the token numbers, of a text, of a list of texts, of a list of numbers or of a list of those.
    `name` is the field's, for what is raised."""
    if given is None:
        raise InvalidRequest(f"`{name}` is required: a text, or a list of texts.", code=7001, param=name)
    if isinstance(given, str):
        return read_texts([given], name, whole=True), ()
    if not isinstance(given, list):
        raise InvalidRequest(f"`{name}` must be a string or an array of strings.", param=name)
    if not given:
        raise InvalidRequest(f"`{name}` must hold at least one text.", param=name)
    if isinstance(given[0], str):
        return read_texts(given, name), ()
    if isinstance(given[0], list):
        _check_count(given, name)
        return (), tuple(_tokens(item, f"{name}.{index}") for index, item in enumerate(given))
    return (), (_tokens(given, name),)


def read_texts(given: Sequence[Any], name: str, *, whole: bool = False) -> tuple[str, ...]:
    """`whole`: the field itself is the one text."""
    _check_count(given, name)
    for index, text in enumerate(given):
        path = name if whole else f"{name}.{index}"
        if not isinstance(text, str):
            raise InvalidRequest(f"`{path}` must be a string, as the items before it are.", param=path)
        if not text:
            raise InvalidRequest(f"`{path}` is empty: there is no vector of nothing.", param=path)
    return tuple(given)


def _check_count(given: Sequence[Any], name: str) -> None:
    if len(given) > INPUTS_MAX:
        raise InvalidRequest(
            f"`{name}` holds {len(given)} items: send at most {INPUTS_MAX} in one request.", param=name
        )


def _tokens(given: Any, path: str) -> tuple[int, ...]:
    if not isinstance(given, list) or not given:
        raise InvalidRequest(f"`{path}` must be a string, or an array of token numbers.", param=path)
    for index, number in enumerate(given):
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= TOKEN_MAX:
            raise InvalidRequest(f"`{path}.{index}` must be the number of a token.", param=f"{path}.{index}")
    return tuple(given)


def _dimensions(given: Any) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= DIMENSIONS_MAX:
        raise InvalidRequest(f"`dimensions` must be an integer from 1 to {DIMENSIONS_MAX}.", param="dimensions")
    return given


def _encoding(given: Any) -> str:
    if given not in (None, "float", "base64"):
        raise InvalidRequest("`encoding_format` must be float or base64.", param="encoding_format")
    return given or "float"


def _purpose(given: Any, receipt: Receipt) -> Purpose | None:
    if given is None:
        return None
    purpose = _PURPOSES.get(given.lower()) if isinstance(given, str) else None
    if purpose is None:
        receipt.lost("input_type", "it is none that other providers know")
    return purpose


def _text(body: Body, name: str) -> str | None:
    given = body.value(name)
    if given is not None and not isinstance(given, str):
        raise InvalidRequest(f"`{name}` must be a string.", param=name)
    return given
