"""One candidate of an answer, whole or as the pieces that a stream carries: parts, signatures, the reason of its end,
and what is said about it.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec

from isthmus.simulator import text as texts
from isthmus.simulator.faults import Fault, UnknownDirective
from isthmus.simulator.script import Draft
from isthmus.simulator.seeds import Seed

_ENDINGS = {"length": "MAX_TOKENS", "content_filter": "SAFETY"}
_BOTH_REASONS = (
    "STOP MAX_TOKENS SAFETY RECITATION OTHER BLOCKLIST PROHIBITED_CONTENT SPII MALFORMED_FUNCTION_CALL IMAGE_SAFETY "
    "IMAGE_PROHIBITED_CONTENT IMAGE_OTHER NO_IMAGE IMAGE_RECITATION UNEXPECTED_TOOL_CALL"
).split()
_OWN_REASONS = ("LANGUAGE", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "ESCALATION")
REASONS = (*_BOTH_REASONS, *_OWN_REASONS)
VERTEX_REASONS = (*_BOTH_REASONS, "MODEL_ARMOR")
BLOCKS = ("SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY")
VERTEX_BLOCKS = (*BLOCKS, "MODEL_ARMOR", "JAILBREAK")
_IDENT = "abcdefghijklmnopqrstuvwxyz0123456789"
_SOURCE = "https://vertexaisearch.cloud.google.com/grounding-api-redirect/{}"
_OTHERS = " the| a| of|.|,| and| to| in|\n| is| it| on| that| as| for| was| by| with| an| at".split("|")


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """What a request and its model make of every candidate. `logprobs` is how many are wanted of each token, None
    without; `query` what was searched for; `signs` that every answer carries a signature, not only one with calls."""

    is_vertex: bool
    shows_thoughts: bool
    has_ids: bool
    signs: bool
    logprobs: int | None
    query: str | None
    fault: Fault


def check_words(fault: Fault, is_vertex: bool) -> None:
    """Raises `UnknownDirective` if the fault asks for an end of which Google knows nothing."""
    known = VERTEX_REASONS if is_vertex else REASONS
    if fault.finish_reason is not None and fault.finish_reason not in known:
        raise UnknownDirective(f"Unknown simulator directive: 'finish_reason={fault.finish_reason}'.")
    blocked = VERTEX_BLOCKS if is_vertex else BLOCKS
    if fault.block_reason is not None and fault.block_reason not in blocked:
        raise UnknownDirective(f"Unknown simulator directive: 'block_reason={fault.block_reason}'.")


class Candidate:
    def __init__(self, index: int, draft: Draft, manner: Manner, ids: random.Random, seed: Seed) -> None:
        self._index = index
        self._draft = draft
        self._manner = manner
        self._ids = ids
        self._signature = seed.seal(draft.reasoning)
        self.reason = manner.fault.finish_reason or _ENDINGS.get(draft.ending, "STOP")
        self.is_silenced = self.reason not in ("STOP", "MAX_TOKENS")

    def whole(self) -> dict[str, Any]:
        """A candidate that was stopped by a filter says nothing."""
        if self.is_silenced:
            return {**self._ending(), **self._place()}
        draft = self._draft
        parts = [self._thought(draft.reasoning)] if self._thinks_aloud() else []
        parts += [{"text": draft.text}] if draft.text else []
        calls = self._calls()
        if parts and not calls and self._manner.signs and draft.text:
            parts[-1]["thoughtSignature"] = self._signature
        candidate = {**self._content(parts + calls), **self._ending(), **self._place()}
        return {**candidate, **self._scores(draft.text, average=True)}

    def pieces(self) -> list[tuple[dict[str, Any], int, int]]:
        """Each with the tokens of thought, and of anything else, that have been spent when it goes out. What a filter
        stopped has been half said. The end comes with the last piece, or after it where it carries a signature."""
        draft = self._draft
        pieces: list[tuple[dict[str, Any], int, int]] = []
        spent = 0
        if self._thinks_aloud():
            for text in draft.reasoning_deltas:
                spent += texts.count(text)
                pieces.append((self._piece([self._thought(text)]), min(spent, draft.reasoning_tokens), 0))
        spoken = 0
        deltas = draft.deltas[: (len(draft.deltas) + 1) // 2] if self.is_silenced else draft.deltas
        for text in deltas:
            spoken += texts.count(text)
            pieces.append(({**self._piece([{"text": text}]), **self._scores(text)}, draft.reasoning_tokens, spoken))
        calls = [] if self.is_silenced else self._calls()
        for call in calls:
            pieces.append((self._piece([call]), draft.reasoning_tokens, spoken))
        final = draft.output_tokens - draft.reasoning_tokens if not self.is_silenced else spoken
        last = {**self._last(bool(calls)), **self._ending(), **self._place()}
        if pieces and not self._manner.signs and not self.is_silenced:
            last = {**pieces.pop()[0], **self._ending()}
        pieces.append((last, draft.reasoning_tokens, final))
        return pieces

    def _last(self, called: bool) -> dict[str, Any]:
        if self.is_silenced:
            return {}
        if not self._manner.signs or called or not self._draft.text:
            return self._content([{"text": ""}] if self._manner.signs else [])
        return self._content([{"text": "", "thoughtSignature": self._signature}])

    def _piece(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        return {**self._content(parts), **self._place()}

    def _content(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        content = {"parts": parts, "role": "model"} if parts else {"role": "model"}
        return {"content": content}

    def _place(self) -> dict[str, Any]:
        return {} if self._manner.is_vertex and not self._index else {"index": self._index}

    def _thinks_aloud(self) -> bool:
        return self._manner.shows_thoughts and bool(self._draft.reasoning) and not self.is_silenced

    def _thought(self, text: str) -> dict[str, Any]:
        return {"text": text, "thought": True}

    def _calls(self) -> list[dict[str, Any]]:
        """The first of calls made together carries the signature of the thought that led to them."""
        parts: list[dict[str, Any]] = []
        for call in self._draft.calls:
            made: dict[str, Any] = {"name": call.tool.name, "args": msgspec.json.decode(call.arguments)}
            if self._manner.has_ids:
                made["id"] = "".join(self._ids.choices(_IDENT, k=8))
            parts.append({"functionCall": made})
        if parts and (self._manner.signs or self._draft.reasoning_tokens):
            parts[0]["thoughtSignature"] = self._signature
        return parts

    def _ending(self) -> dict[str, Any]:
        ending: dict[str, Any] = {"finishReason": self.reason}
        if self.is_silenced:
            ending["finishMessage"] = f"The answer was ended: {self.reason}."
        if self.reason == "SAFETY":
            rating = {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}
            ending["safetyRatings"] = [rating]
        if self._manner.fault.citations:
            name = "citations" if self._manner.is_vertex else "citationSources"
            ending["citationMetadata"] = {name: self._citations(self._manner.fault.citations)}
        if self._manner.query is not None and self._draft.text and not self.is_silenced:
            ending["groundingMetadata"] = self._grounding(self._manner.query)
        return ending

    def _citations(self, count: int) -> list[dict[str, Any]]:
        length = len(self._draft.text.encode()) // count
        rows = [{"startIndex": place * length, "endIndex": (place + 1) * length} for place in range(count)]
        return [{**row, "uri": f"https://example.com/source/{place}"} for place, row in enumerate(rows, 1)]

    def _grounding(self, query: str) -> dict[str, Any]:
        """Segments are counted in bytes of UTF-8, as Google counts them."""
        text = self._draft.text
        first = text[: text.find(".") + 1] or text
        web = [{"uri": _SOURCE.format(name), "title": f"{name}.example.com"} for name in ("one", "two")]
        segment: dict[str, Any] = {"endIndex": len(first.encode("utf-8", "surrogatepass")), "text": first}
        rendered = '<div class="container"></div>'
        return {
            "searchEntryPoint": {"renderedContent": rendered},
            "groundingChunks": [{"web": source} for source in web],
            "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0, 1]}],
            "webSearchQueries": [query],
        }

    def _scores(self, text: str, average: bool = False) -> dict[str, Any]:
        if self._manner.logprobs is None or not text:
            return {}
        chosen = [_score(token, -round(self._ids.random() / 2, 6)) for token in texts.pieces(text)]
        result: dict[str, Any] = {"chosenCandidates": chosen}
        if self._manner.logprobs:
            result["topCandidates"] = [{"candidates": _ranked(row, self._manner.logprobs)} for row in chosen]
        scores: dict[str, Any] = {"logprobsResult": result}
        if average:
            scores["avgLogprobs"] = sum(row["logProbability"] for row in chosen) / len(chosen)
        return scores


def _score(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "tokenId": sum(token.encode("utf-8", "surrogatepass")), "logProbability": logprob}


def _ranked(row: dict[str, Any], count: int) -> list[dict[str, Any]]:
    others = enumerate(_OTHERS[: count - 1], 1)
    return [row, *(_score(token, row["logProbability"] - rank) for rank, token in others)]
