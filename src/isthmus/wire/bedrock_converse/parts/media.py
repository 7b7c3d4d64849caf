"""Images, documents, sounds and films for Converse: by their bytes or their place in S3, never by a web address."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.part import Audio, Document, Image, Opaque, Video
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.bedrock_converse.parts.signatures import AWS
from isthmus.wire.bedrock_converse.schema import DocumentBlock, Media, S3Location, SearchResultBlock, Source
from isthmus.wire.media import checked_base64

NAME_MAX_CHARS = 200

_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_SOUNDS = {
    "audio/mp3": "mp3",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/opus": "opus",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/mp4": "mp4",
    "audio/ogg": "ogg",
    "audio/m4a": "m4a",
    "audio/pcm": "pcm",
    "audio/pcm16": "pcm",
    "audio/webm": "webm",
}
_FILMS = {
    "video/x-matroska": "mkv",
    "video/quicktime": "mov",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
# Text of any other kind is sent as plain text.
_TEXTUAL = ("text/", "application/json", "application/xml", "application/yaml", "application/x-yaml")
_UNNAMED = "document"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9()\[\]-]+")

_decode_place = msgspec.json.Decoder(S3Location).decode

Json = dict[str, Any]


def _turned(table: dict[str, str]) -> dict[str, str]:
    """Back again: the first type of a format is its own."""
    types: dict[str, str] = {}
    for media_type, format_ in table.items():
        types.setdefault(format_, media_type)
    return types


_IMAGE_TYPES, _DOCUMENT_TYPES = _turned(_IMAGES), _turned(_DOCUMENTS)
_SOUND_TYPES, _FILM_TYPES = _turned(_SOUNDS), _turned(_FILMS)


# --- written --------------------------------------------------------------------------------------------------------


class MediaWriter:
    """For one request: no two of its documents may have one name. `fetch` are the web addresses met."""

    __slots__ = ("_names", "_receipt", "fetch")

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt
        self._names: set[str] = set()
        self.fetch: list[str] = []

    def image(self, image: Image) -> list[Json]:
        if image.detail not in (None, "auto"):
            self._receipt.lost("messages.image.detail", "this provider sees images in one detail")
        source = self._source(image)
        if source is None:
            return []
        format_ = _IMAGES.get(image.media_type or "")
        if format_ is None:
            raise _unsupported("images as PNG, JPEG, GIF and WebP", image.media_type)
        return [{"image": {"format": format_, "source": source}}]

    def video(self, video: Video) -> list[Json]:
        source = self._source(video)
        if source is None:
            return []
        format_ = _FILMS.get(video.media_type or "")
        if format_ is None:
            raise _unsupported(f"video as {', '.join(sorted(_FILM_TYPES))}", video.media_type)
        return [{"video": {"format": format_, "source": source}}]

    def audio(self, audio: Audio) -> list[Json]:
        format_ = _SOUNDS.get(audio.media_type)
        if format_ is None:
            raise _unsupported(f"audio as {', '.join(sorted(_SOUND_TYPES))}", audio.media_type)
        return [{"audio": {"format": format_, "source": {"bytes": audio.base64}}}]

    def document(self, document: Document) -> list[Json]:
        if document.text is not None:
            if not document.text.strip():
                return []
            source: Json | None = {"bytes": b64encode(document.text.encode()).decode()}
            format_: str | None = "txt"
        else:
            source, format_ = self._source(document), _DOCUMENTS.get(document.media_type or "application/pdf")
        if source is None:
            return []
        if format_ is None:
            format_ = self._as_text(document)
        written: Json = {"name": self._name(document, format_), "format": format_, "source": source}
        if document.context:
            written["context"] = document.context
        if document.cite:
            written["citations"] = {"enabled": True}
        return [{"document": written}]

    def _as_text(self, document: Document) -> str:
        kind = document.media_type or ""
        if not kind.startswith(_TEXTUAL) or (document.base64 is not None and decoded_text(document.base64) is None):
            raise _unsupported(f"documents as {', '.join(sorted(_DOCUMENT_TYPES))}", kind)
        self._receipt.emulated("messages.document", "it is sent as plain text")
        return "txt"

    def _source(self, part: Image | Document | Video) -> Json | None:
        """None where the content has to be fetched first."""
        file = None if isinstance(part, Video) else part.file
        if file is not None:
            return {"s3Location": _written_place(file)}
        if part.base64 is not None:
            return {"bytes": part.base64}
        self.fetch.append(part.url or "")
        return None

    def _name(self, document: Document, format_: str) -> str:
        """AWS wants a name of letters, digits, single spaces, hyphens, parentheses and brackets. An ending that the
        format says already goes without a word."""
        given = (document.name or _UNNAMED).removesuffix("." + format_)
        name = plain = _NOT_IN_NAMES.sub(" ", given).strip()[: NAME_MAX_CHARS - 8].strip() or _UNNAMED
        number = 1
        while name in self._names:
            number += 1
            name = f"{plain} ({number})"
        self._names.add(name)
        if document.name and name != given:
            self._receipt.emulated("messages.document.name", "the nearest is sent of what this provider takes")
        return name


def _written_place(file: Opaque) -> Json:
    if file.origin != AWS:
        raise Unsupported("The file lies at another provider: send what is in it.", param="messages")
    try:
        place = _decode_place(file.data)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise Unsupported("The file is not at a place in S3: send what is in it.", param="messages") from None
    return {"uri": place.uri} if place.bucketOwner is None else {"uri": place.uri, "bucketOwner": place.bucketOwner}


def decoded_text(base64: str) -> str | None:
    try:
        return b64decode(base64).decode()
    except (binascii.Error, ValueError):
        return None


def _unsupported(taken: str, given: str | None) -> Unsupported:
    kind = (given or "unknown")[:100]
    return Unsupported(f"This provider takes {taken}, not as {kind}.", param="messages")


# --- read -----------------------------------------------------------------------------------------------------------


def read_image(block: Media, at: str) -> Image:
    file, data, media_type = _read_source(block.source, _type_of(block, _IMAGE_TYPES, at), at)
    return Image(base64=data, file=file, media_type=media_type)


def read_video(block: Media, at: str) -> Video:
    file, data, media_type = _read_source(block.source, _type_of(block, _FILM_TYPES, at), at)
    if file is not None:
        raise Unsupported(f"`{at}.source`: no other dialect takes films by their place in S3.", param=f"{at}.source")
    return Video(base64=data, media_type=media_type)


def read_audio(block: Media, at: str) -> Audio:
    file, data, media_type = _read_source(block.source, _type_of(block, _SOUND_TYPES, at), at)
    if file is not None or data is None:
        raise Unsupported(f"`{at}.source`: no other dialect takes sounds by their place in S3.", param=f"{at}.source")
    return Audio(base64=data, media_type=media_type)


def read_document(block: DocumentBlock, at: str) -> Document:
    """Plain text is text, however it was sent."""
    format_ = block.format or ("txt" if block.source.bytes is None else "")
    media_type = _DOCUMENT_TYPES.get(format_)
    if media_type is None:
        raise InvalidRequest(f"`{at}.format` may not be '{format_[:64]}'.", param=f"{at}.format")
    text = block.source.text
    if block.source.content is not None:
        text = "\n\n".join(part.text or "" for part in block.source.content)
    file = data = None
    if text is None:
        file, data, media_type = _read_source(block.source, media_type, at)
        text = decoded_text(data) if format_ == "txt" and data is not None else None
    return Document(
        text=text,
        base64=data if text is None else None,
        file=file,
        media_type=media_type if text is None else None,
        name=block.name,
        context=block.context,
        cite=block.citations is not None and block.citations.enabled,
    )


def read_search_result(block: SearchResultBlock) -> Document:
    """A caller's own search result: a document that says where it is from."""
    return Document(
        text="\n\n".join(part.text or "" for part in block.content),
        name=block.title,
        context=block.source,
        cite=block.citations is not None and block.citations.enabled,
    )


def _type_of(block: Media, types: dict[str, str], at: str) -> str:
    media_type = types.get(block.format)
    if media_type is None:
        raise InvalidRequest(f"`{at}.format` may not be '{block.format[:64]}'.", param=f"{at}.format")
    return media_type


def _read_source(source: Source, said: str, at: str) -> tuple[Opaque | None, str | None, str]:
    """A place or base64 text, and the media type, which the bytes know better than the caller."""
    if source.s3Location is not None:
        return Opaque(origin=AWS, data=msgspec.json.encode(source.s3Location).decode()), None, said
    if source.bytes is None:
        raise InvalidRequest(f"`{at}.source` must hold bytes or a place in S3.", param=f"{at}.source")
    return None, source.bytes, checked_base64(source.bytes, said, f"{at}.source.bytes")
