"""Words for the system message, where a target has no field for what the caller wants."""

from __future__ import annotations

import msgspec

from isthmus.core.chat.request import AnswerFormat

JSON_OBJECT = "Answer with one valid JSON object and nothing else: no prose around it, no code fence."


def answer_format_in_words(wanted: AnswerFormat) -> str:
    if wanted.schema is None:
        return JSON_OBJECT
    schema = msgspec.json.encode(wanted.schema).decode()
    return f"{JSON_OBJECT} It must conform to this JSON Schema:\n{schema}"
