"""What of a caller's JSON Schema reaches the grammar converter: wide enough for every answer that the schema allows."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.providers.constrained_pattern import grammar_pattern
from isthmus.providers.constrained_schema import DEEPEST, MOST_NODES, document

ROOT = {"$ref": "#/$defs/answer"}


def sifted(schema: Any) -> Any:
    whole = document(ROOT, {"answer": schema})
    assert whole["$ref"] == "#/$defs/answer"
    return whole["$defs"]["answer"]


@pytest.mark.parametrize(
    ("given_schema", "kept"),
    [
        ({"type": "string", "minLength": 5, "maxLength": 2}, {"type": "string"}),
        ({"type": "array", "minItems": 5, "maxItems": 2}, {"type": "array"}),
        ({"type": "string", "minLength": 100_000}, {"type": "string", "minLength": 1000}),
        ({"type": "string", "maxLength": 100_000}, {"type": "string"}),
        ({"type": "string", "minLength": 2.0, "maxLength": -1}, {"type": "string", "minLength": 2}),
        ({"type": "string", "minLength": True, "maxLength": "x"}, {"type": "string"}),
        ({"type": "integer", "minimum": 5, "maximum": 2}, {"type": "integer"}),
        ({"type": "integer", "minimum": 0.5, "exclusiveMaximum": 9}, {"type": "integer", "minimum": 1, "maximum": 8}),
        ({"type": "integer", "minimum": 5, "exclusiveMaximum": 5}, {"type": "integer"}),
        ({"type": "integer", "minimum": -1e30, "maximum": 1}, {"type": "integer", "maximum": 1}),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, {"type": "integer", "minimum": 1}),
        ({"type": "number", "minimum": 5, "maximum": 2, "multipleOf": 3}, {"type": "number"}),
        ({"enum": []}, {}),
        ({"enum": ["a", None, {"minLength": 5}]}, {"enum": ["a", None, {"minLength": 5}]}),
        ({"type": "string", "const": "a"}, {"const": "a"}),
        ({"anyOf": []}, {}),
        ({"oneOf": [{"type": "integer"}, True]}, {"anyOf": [{"type": "integer"}, {}]}),
        (
            {"type": "string", "anyOf": [{"format": "date"}, {"minLength": 3}]},
            {"type": "string", "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "minLength": 3}]},
        ),
        (
            {"properties": {"a": {}}, "anyOf": [{"required": ["a"]}]},
            {"properties": {"a": {}}, "required": []},
        ),
        ({"type": "STRING"}, {"type": "string"}),
        ({"type": ["string", "file", "null"]}, {"type": ["string", "null"]}),
        ({"type": []}, {}),
        ({"type": "file"}, {}),
        ({"type": "array", "items": [{"type": "null"}]}, {"type": "array", "prefixItems": [{"type": "null"}]}),
        ({"type": "array", "items": True}, {"type": "array"}),
        ({"properties": [], "required": True}, {}),
        ({"properties": {"a": False, "b": 1}, "required": ["b", 1, "z"]}, {"properties": {"a": {}, "b": {}}}),
        ({"additionalProperties": {"type": "x"}}, {"additionalProperties": {}}),
        ({"allOf": [{"type": "string"}, {"minLength": 3}]}, {"type": "string", "minLength": 3}),
        (
            {"allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}}], "required": ["b"]},
            {"properties": {"a": {}, "b": {}}, "required": ["a", "b"]},
        ),
        ({"not": {}, "if": {}, "patternProperties": {}, "title": "t", "description": "d", "default": 1}, {}),
        ("no schema", {}),
    ],
)
def test_what_is_kept(given_schema, kept):
    result = sifted(given_schema)
    if "required" not in kept:
        result.pop("required", None)
    assert result == kept


def test_references_are_moved_to_where_they_stand():
    schema = {
        "properties": {"child": {"$ref": "#"}, "a": {"$ref": "#/$defs/a"}, "b": {"$ref": "#/definitions/b"}},
        "$defs": {"a": {"type": "integer"}},
        "definitions": {"b": {"$ref": "#/properties/a"}},
    }
    kept = sifted(schema)
    assert kept["properties"]["child"] == {"$ref": "#/$defs/answer"}
    assert kept["properties"]["a"] == {"$ref": "#/$defs/answer/$defs/a"}
    assert kept["definitions"]["b"] == {"$ref": "#/$defs/answer/properties/a"}


@pytest.mark.parametrize("reference", ["#/$defs/none", "#anchor", "https://example.test/a", "#/$defs/a~1b", "#/enum/0"])
def test_references_that_lead_nowhere_mean_anything(reference):
    kept = sifted({"properties": {"p": {"$ref": reference}}, "$defs": {"a/b": {}}, "enum": [{}]} | {"enum": 1})
    assert kept["properties"]["p"] == {}


def test_a_reference_never_leads_to_what_was_not_sifted():
    hostile = {"type": "string", "minLength": 5, "maxLength": 2}
    kept = sifted({"properties": {"a": {"const": {"items": hostile}}, "b": {"$ref": "#/properties/a/const/items"}}})
    assert kept["properties"]["b"] == {}


def test_circles_without_anything_in_them_are_cut():
    for schema in (
        {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        {"anyOf": [{"$ref": "#"}, {"type": "integer"}]},
        {"allOf": [{"$ref": "#"}, {"properties": {"a": {}}}]},
    ):
        assert "'#/$defs/answer'" not in str(sifted(schema))
        assert "'#/$defs/answer/$defs/b'" not in str(sifted(schema))


def test_a_schema_may_hold_itself():
    kept = sifted({"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}})
    assert kept["properties"]["next"]["anyOf"][0] == {"$ref": "#/$defs/answer"}


def depth(node: Any) -> int:
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return 1 + max(map(depth, inner), default=0)


def test_depth_and_size_are_bounded():
    deep: Any = {"type": "string"}
    for _ in range(500):
        deep = {"properties": {"a": deep}}
    assert depth(sifted(deep)) <= 2 * DEEPEST + 4
    wide = {"properties": {str(n): {"properties": {str(m): {"type": "null"} for m in range(100)}} for n in range(100)}}
    assert str(sifted(wide)).count("null") <= MOST_NODES


def test_required_properties_are_the_last_to_be_left_out():
    kept = sifted({"properties": {str(n): {} for n in range(1000)}, "required": ["999"]})
    assert len(kept["properties"]) == 200
    assert kept["required"] == ["999"]


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        (r"^\d{4}-\d{2}$", "^[0-9]{4}-[0-9]{2}$"),
        (r"^\w+@[a-z.-]+\.[a-z]{2,}$", r"^[A-Za-z0-9_]+@[a-z.\-]+\.[a-z]{2,}$"),
        (r"^[^a]\/.?$", r'^[^a"\\\x00-\x1F]/[^"\\\x00-\x1F]?$'),
        (r"^[\w\-.]+?$", r"^[A-Za-z0-9_\-.]+$"),
        ("^$", "^$"),
        ("abc", None),
        ("^[a-$", None),
        ("^(a|b)*$", None),
        ("^a|b$", None),
        ("^(?=a)a$", None),
        (r"^\bab$", None),
        ('^"$', None),
        (r"^\\$", None),
        ("^[ -~]$", None),
        ("^\n$", None),
        (r"^[\n]$", None),
        ("^a{5,2}$", None),
        ("^[a--b]$", None),
        ("^[b-a]$", None),
        ("^[[a]$", None),
        ("^a{2}{3}$", None),
        ("^a**$", None),
        ("^a{3000}$", None),
        ("^" + "a" * 300 + "$", None),
    ],
)
def test_patterns(pattern, written):
    assert grammar_pattern(pattern) == written


PATTERNS = re.compile(r"\A\^([a-c.]|\\[dws.]|\[\^?[a-c\\\-d-f]+\]|[?*+]|\{[0-9],?[0-9]?\}){0,6}\$\Z")


@given(st.from_regex(PATTERNS).filter(lambda pattern: grammar_pattern(pattern) is not None), st.data())
def test_a_kept_pattern_allows_nothing_that_it_did_not(pattern, data):
    text = data.draw(st.from_regex(grammar_pattern(pattern), fullmatch=True))
    assert re.fullmatch(pattern, text)
    assert not set(text) & set('"\\\n\t')
