"""Documents: Cohere is given them beside the messages, each an object of whatever fields, and cites them by id. Ours
are numbered as they come, so that a citation's id says which one it is of."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import Document
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.cohere_chat import schema

_ID = re.compile(r"doc:([0-9]{1,6})\Z")  # as Cohere numbers those that come without an id
_TEXTS = ("text", "snippet", "content")
_TEXT_TYPES = frozenset(("application/json", "application/xml", "application/yaml", "application/x-yaml"))


def number_of(id_: str | None) -> int | None:
    """Which of the request's documents an id of ours is of."""
    found = None if id_ is None else _ID.match(id_)
    return None if found is None else int(found[1])


def read_document(given: str | schema.Document, cite: bool, at: str, receipt: Receipt) -> Document:
    """One of an object that holds more than a text, a title and a context is the object's JSON text. Raises
    `InvalidRequest`."""
    if isinstance(given, str):
        return Document(text=given, cite=cite)
    if given.id is not None and number_of(given.id) is None:
        receipt.lost(f"{at}.id", "no other dialect has it")
    if isinstance(given.data, str):
        return Document(text=given.data, cite=cite)
    data = given.data
    name = next((field for field in _TEXTS if isinstance(data.get(field), str)), None)
    others = {field: value for field, value in data.items() if field != name}
    title, context = others.get("title"), others.get("context")
    titled = isinstance(title, str) and bool(title)
    if name is None or not _says_only(others):
        receipt.emulated(f"{at}.data", "it is given as JSON text")
        return Document(text=_as_json(data, at), name=title if titled else None, cite=cite)
    return Document(text=data[name], name=title if titled else None, context=context or None, cite=cite)


def _says_only(others: dict[str, Any]) -> bool:
    return all(field in ("title", "context") and isinstance(value, str) for field, value in others.items())


def _as_json(data: dict[str, Any], at: str) -> str:
    try:
        return msgspec.json.encode(data).decode()
    except RecursionError:
        raise InvalidRequest(f"`{at}` is nested too deeply.", param=at) from None


def written_document(document: Document, number: int, fetch: dict[str, None]) -> dict[str, Any]:
    """`fetch` is given the address of one that is somewhere else. Raises `Unsupported` for what is no text."""
    data = {"text": _text(document, fetch)}
    if document.name:
        data["title"] = document.name
    if document.context:
        data["context"] = document.context
    return {"id": f"doc:{number}", "data": data}


def _text(document: Document, fetch: dict[str, None]) -> str:
    if document.text is not None:
        return document.text
    kind = (document.media_type or "").partition(";")[0].strip().lower()
    if document.file is not None:
        raise Unsupported("`messages`: Cohere takes no document by a file's id. Send its text.", param="messages")
    if document.url is not None and not document.url.partition("?")[0].lower().endswith(".pdf"):
        fetch[document.url] = None
        return ""
    if document.base64 is None or not (kind.startswith("text/") or kind in _TEXT_TYPES):
        raise Unsupported("`messages`: Cohere takes documents as text alone. Send this one's text.", param="messages")
    try:
        return base64.b64decode(document.base64).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise InvalidRequest("`messages`: a document is not base64.", param="messages") from None
