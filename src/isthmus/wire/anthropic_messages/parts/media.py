"""Images and documents: what callers send of them, and what is sent to Anthropic."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.part import Document, Image, Opaque
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.anthropic_messages.parts.caching import marked, read_mark
from isthmus.wire.anthropic_messages.parts.fields import required, web_url
from isthmus.wire.anthropic_messages.parts.signatures import OWN
from isthmus.wire.anthropic_messages.schema import Block
from isthmus.wire.media import checked_base64

TITLE_MAX_CHARS = 500
_IMAGES = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))
_PDF = "application/pdf"
_PLAIN = ("text/", "application/json", "application/xml")


def read_image(block: Block, at: str) -> Image:
    source, kind = _source(block)
    cache = read_mark(block.cache_control)
    if kind == "base64":
        said = required(source.get("media_type"), f"{at}.source.media_type").lower()
        data = required(source.get("data"), f"{at}.source.data")
        found = checked_base64(data, said, f"{at}.source.data")
        if not found.startswith("image/"):
            raise InvalidRequest(f"`{at}.source.media_type` must be an image's.", param=f"{at}.source.media_type")
        return Image(base64=data, media_type=found, cache=cache)
    if kind == "url":
        return Image(url=web_url(source.get("url"), f"{at}.source.url"), cache=cache)
    if kind == "file":
        return Image(file=_file(source, at), cache=cache)
    raise Unsupported(f"`{at}.source.type` must be base64, url or file.", param=f"{at}.source.type")


def read_document(block: Block, at: str, receipt: Receipt) -> tuple[Document | Image, ...]:
    """A document; where its content is given in blocks with images among them, these follow it."""
    source, kind = _source(block)
    document = Document(
        name=block.title,
        context=block.context,
        cite=isinstance(block.citations, dict) and block.citations.get("enabled") is True,
        cache=read_mark(block.cache_control),
    )
    replace = msgspec.structs.replace
    if kind == "base64":
        said = source.get("media_type") or _PDF
        data = required(source.get("data"), f"{at}.source.data")
        found = checked_base64(data, required(said, f"{at}.source.media_type").lower(), f"{at}.source.data")
        return (replace(document, base64=data, media_type=found),)
    if kind == "text":
        return (replace(document, text=required(source.get("data"), f"{at}.source.data")),)
    if kind == "url":
        return (replace(document, url=web_url(source.get("url"), f"{at}.source.url")),)
    if kind == "file":
        return (replace(document, file=_file(source, at)),)
    if kind == "content":
        text, images = _content(source.get("content"), f"{at}.source.content", receipt)
        return (replace(document, text=text), *images)
    raise Unsupported(f"`{at}.source.type` must be base64, text, url, file or content.", param=f"{at}.source.type")


def read_search_result(block: Block, at: str, receipt: Receipt) -> Document:
    """A caller's own search result: a document that says where it is from."""
    receipt.emulated("messages.search_result", "it is sent as a document")
    texts = block.content if isinstance(block.content, tuple) else ()
    return Document(
        text="\n\n".join(required(text.text, f"{at}.content.{index}.text") for index, text in enumerate(texts)),
        name=required(block.title, f"{at}.title"),
        context=required(block.source, f"{at}.source"),
        cite=isinstance(block.citations, dict) and block.citations.get("enabled") is True,
        cache=read_mark(block.cache_control),
    )


def written_image(image: Image, receipt: Receipt) -> dict[str, Any]:
    if image.detail not in (None, "auto"):
        receipt.lost("messages.image.detail", "this provider sees images in one detail")
    if image.file is not None:
        source = _written_file(image.file)
    elif image.base64 is not None:
        if image.media_type not in _IMAGES:
            raise Unsupported(
                f"This model takes images as JPEG, PNG, GIF and WebP, not as {(image.media_type or 'unknown')[:64]}.",
                param="messages",
            )
        source = {"type": "base64", "media_type": image.media_type, "data": image.base64}
    else:
        source = {"type": "url", "url": image.url}
    return marked({"type": "image", "source": source}, image.cache)


def written_document(document: Document, receipt: Receipt) -> dict[str, Any]:
    written: dict[str, Any] = {"type": "document", "source": _document_source(document, receipt)}
    if document.name:
        if len(document.name) > TITLE_MAX_CHARS:
            receipt.lost("messages.document.name", "it is longer than this provider takes")
        written["title"] = document.name[:TITLE_MAX_CHARS]
    if document.context:
        written["context"] = document.context
    if document.cite:
        written["citations"] = {"enabled": True}
    return marked(written, document.cache)


def _document_source(document: Document, receipt: Receipt) -> dict[str, Any]:
    if document.file is not None:
        return _written_file(document.file)
    if document.text is not None:
        return _plain(document.text)
    if document.url is not None:
        return {"type": "url", "url": document.url}
    kind = document.media_type or _PDF
    if kind == _PDF:
        return {"type": "base64", "media_type": _PDF, "data": document.base64}
    text = _decoded(document.base64 or "") if kind.startswith(_PLAIN) else None
    if text is None:
        raise Unsupported(f"This model takes documents as PDF or plain text, not as {kind[:100]}.", param="messages")
    receipt.emulated("messages.document", "it is sent as plain text")
    return _plain(text)


def _plain(text: str) -> dict[str, Any]:
    return {"type": "text", "media_type": "text/plain", "data": text}


def _decoded(base64: str) -> str | None:
    try:
        return b64decode(base64).decode()
    except (binascii.Error, ValueError):
        return None


def _source(block: Block) -> tuple[dict[str, Any], object]:
    source = block.source if isinstance(block.source, dict) else {}
    return source, source.get("type")


def _file(source: dict[str, Any], at: str) -> Opaque:
    return Opaque(origin=OWN, data=required(source.get("file_id"), f"{at}.source.file_id"))


def _written_file(file: Opaque) -> dict[str, Any]:
    if file.origin != OWN:
        raise Unsupported("The file lies at another provider: send what is in it.", param="messages")
    return {"type": "file", "file_id": file.data}


def _content(content: object, at: str, receipt: Receipt) -> tuple[str, tuple[Image, ...]]:
    if isinstance(content, str):
        return content, ()
    try:
        blocks = msgspec.convert(content, tuple[Block, ...])
    except (msgspec.ValidationError, RecursionError):
        raise InvalidRequest(f"`{at}` must be a string, or text and image blocks.", param=at) from None
    texts: list[str] = []
    images: list[Image] = []
    for index, block in enumerate(blocks):
        if block.type == "image":
            images.append(read_image(block, f"{at}.{index}"))
        else:
            texts.append(required(block.text, f"{at}.{index}.text"))
    if len(blocks) > 1:
        receipt.emulated("messages.document.content", "its blocks are sent as one text, with the images after it")
    return "\n\n".join(texts), tuple(images)
