"""Writes docs/fidelity.md from what the table saw: `make fidelity`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fidelity import answers, requests
from fidelity.table import CALLERS, TARGETS, answer_cell, request_cell

PAGE = Path(__file__).parent.parent.parent / "docs" / "fidelity.md"
NAMES = {
    "openai_chat": "Chat Completions",
    "openai_chat_compatible": "compatible chat",
    "openai_responses": "Responses",
    "anthropic_messages": "Messages",
    "gemini": "Gemini",
    "bedrock_converse": "Bedrock",
    "cohere_chat": "Cohere",
    "workers_ai": "Workers AI native",
    "openai_completions": "Text completions",
}
HEAD = """# Fidelity

What becomes of each feature between a caller's dialect and a provider's. This page is written by `make fidelity` from
what the code did with each of them, and a test fails where it is stale; nothing in it is written by hand.

| sign | means |
| --- | --- |
| ✓ | carried: what the provider is told means the same |
| ≈ | emulated: brought about by other means, and the receipt says how |
| ✗ | lost: the receipt names it and says why; with `cf-aig-fidelity: strict` the call is refused |
| 400 | refused: the answer would be of another kind |
|   | the caller's dialect (above) or the provider's (below) has no way to say it |

The receipt is the answer's header `cf-aig-fidelity` and the log row's `notes`.

Where caller and provider speak one dialect the request is relayed byte for byte, and everything is carried; the column
then shows what translation would do, which happens for a local model alone.
"""
ANSWERS = """
# Answers

What of a provider's answer its caller is given. Signatures count as carried where they come back with the caller's next
request, in whatever form the caller's dialect keeps them.
"""


def table(features: tuple[Any, ...], cell: Callable[[str], Callable[[str, Any], str]]) -> Iterator[str]:
    for caller in CALLERS:
        yield f"\n## {NAMES[caller]} callers\n"
        yield "| | " + " | ".join(NAMES[target] for target in TARGETS) + " |"
        yield "| --- |" + " :-: |" * len(TARGETS)
        for feature in features:
            cells = [cell(caller)(target, feature) for target in TARGETS]
            if any(cells):
                yield f"| {feature.name} | " + " | ".join(cells) + " |"


def page() -> str:
    asked = table(requests.FEATURES, lambda caller: lambda target, feature: request_cell(caller, target, feature))
    said = table(answers.FEATURES, lambda caller: lambda target, feature: answer_cell(caller, target, feature, False))
    return HEAD + "\n# Requests\n" + "\n".join(asked) + "\n" + ANSWERS + "\n".join(said) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
