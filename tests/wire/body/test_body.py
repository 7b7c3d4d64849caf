"""A body's fields, its changes and its refusals, held against Python's own JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import InvalidRequest
from isthmus.wire.body import NUMBER_MAX_BYTES, Body

few = settings(max_examples=60, deadline=None, database=None)

blanks = st.sampled_from(["", "", " ", "\n\t", "\r\n "])
# Many ways to write few characters, so that names often come twice in different spellings.
letters = st.sampled_from(
    r"""a \u0061 b \u0062 / \/ \u002F \" \u0022 \\ \u005c é \u00e9 \u00E9 😀 \ud83d\ude00 \n \u000a { } , :""".split()
) | st.sampled_from(["\u2028", r"\u2028", " "])
strings = st.lists(letters, max_size=3).map(lambda spelled: '"' + "".join(spelled) + '"')
scalars = strings | st.sampled_from(["0", "-1", "1.50", "1E+2", "true", "false", "null", "12345678901234567890"])
lists = st.lists(scalars, max_size=3).map(lambda items: "[" + ", ".join(items) + "]")
members = st.tuples(strings, blanks, blanks, scalars | lists, blanks).map(lambda m: f"{m[1]}{m[0]}{m[2]}:{m[3]}{m[4]}")
dicts = st.lists(members, max_size=3, unique_by=lambda member: name_of(member)).map(lambda m: "{" + ",".join(m) + "}")
values = scalars | lists | dicts


def name_of(member: str) -> str:
    return str(json.JSONDecoder().raw_decode(member.lstrip())[0])


def objects(*, unique: bool) -> st.SearchStrategy[str]:
    parts = st.tuples(strings, blanks, blanks, values, blanks).map(lambda m: f"{m[1]}{m[0]}{m[2]}:{m[3]}{m[4]}")
    all_parts = st.lists(parts, max_size=5, unique_by=name_of if unique else None)
    return st.tuples(blanks, all_parts, blanks).map(lambda o: f"{o[0]}{{{','.join(o[1])}{o[2]}}}{o[2]}")


def top_level(text: str) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []

    def keep(found: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs[:] = found
        return dict(found)

    json.loads(text, object_pairs_hook=keep)
    return pairs


@settings(few, max_examples=100)
@given(objects(unique=False))
def test_a_name_given_twice_is_refused_however_it_is_spelled(text: str) -> None:
    pairs = top_level(text)
    if len(dict(pairs)) < len(pairs):
        with pytest.raises(InvalidRequest, match="twice"):
            Body(text.encode())
    else:
        body = Body(text.encode())
        assert {name: body.value(name) for name in body.fields} == dict(pairs)


@few
@given(objects(unique=True), st.data())
def test_changes_are_what_json_says_they_are_and_touch_nothing_else(text: str, data: st.DataObject) -> None:
    body = Body(text.encode())
    names = st.sampled_from([*body.fields, "model", "new"])
    changes = data.draw(st.dictionaries(names, st.sampled_from([b"null", b'"x"', b'{"y":[1]}']) | st.none()))
    changed = Body(body.changed(changes))

    expected = dict(top_level(text))
    for name, value in changes.items():
        if value is None:
            expected.pop(name, None)
        else:
            expected[name] = json.loads(value)
    assert {name: changed.value(name) for name in changed.fields} == expected
    for name, raw in body.fields.items():
        if name not in changes:
            assert bytes(changed.fields[name]) == bytes(raw)


def test_a_changed_body_keeps_every_other_byte() -> None:
    body = Body(b'{ "model" : "a/b",\n  "n": 1.0, "options":{"x":1} , "t":"\\u00e9" } ')
    assert body.changed({"model": b'"c"', "options": None}) == b'{ "model" : "c",\n  "n": 1.0 , "t":"\\u00e9" } '


@pytest.mark.parametrize(
    ("text", "gone", "left"),
    [
        (b'{"a":1,"b":2,"c":3}', ("b", "c"), b'{"a":1}'),
        (b'{"a":1,"b":2,"c":3}', ("a", "b"), b'{"c":3}'),
        (b'{"a":1,"b":2,"c":3}', ("c", "a"), b'{"b":2}'),
        (b'{"a":1 , "b":2 }', ("a", "b"), b"{}"),
    ],
)
def test_several_fields_taken_out_at_once_leave_json(text: bytes, gone: tuple[str, ...], left: bytes) -> None:
    assert json.loads(Body(text).changed(dict.fromkeys(gone))) == json.loads(left)


@pytest.mark.parametrize(
    "text",
    [
        b'{"model":"cheap","model":"dear"}',
        b'{"model":"cheap","\\u006dodel":"dear"}',
        b'{"model":"same","x":1,"model":"same"}',
        b'{"x":{"model":1},"model":"a","m\\u006fdel":"b"}',
        '{"é":1,"\\u00e9":2}'.encode(),
        b'{"a/b":1,"a\\/b":1}',
        b'{"":1,"":1}',
    ],
)
def test_adversarial_duplicates(text: bytes) -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        Body(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"[1]", "must be a JSON object"),
        (b'"x"', "must be a JSON object"),
        (b'{"a":1}{"b":2}', "not valid JSON"),
        (b'{"a":1} x', "not valid JSON"),
        (b'{"a":1,}', "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":"\xff"}', "not valid JSON"),
        (b'{"a":"\xed\xa0\x80"}', "not valid JSON"),
        (b'\xef\xbb\xbf{"a":1}', "not valid JSON"),
        (b'{"a":"line\nbreak"}', "not valid JSON"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"a":' + b"1" * (NUMBER_MAX_BYTES + 1) + b"}", "number of more than"),
        (b'{"\\u0061":' + b"1" * (NUMBER_MAX_BYTES + 1) + b"}", "number of more than"),
    ],
)
def test_what_is_no_object_is_refused_with_the_reason(text: bytes, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        Body(text)


@pytest.mark.parametrize("value", [b"1e999", b"[" + b"1" * 5000 + b"]", b'"\\ud800"x', b'"\\ud83d\\u0041"'])
def test_a_value_that_cannot_be_read_is_a_refusal_too(value: bytes) -> None:
    with pytest.raises(InvalidRequest):
        Body(b'{"a":' + value + b"}").value("a")


def test_an_absent_field_has_no_value() -> None:
    assert Body(b'{"a":null}').value("b") is None
    assert "a" in Body(b'{"a":null}')
