"""Free text through a function's arguments and back, in any pieces."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.chat.request import CustomTool, Grammar
from isthmus.wire.custom_tools import Unwrapping, as_function, wrapped


def unwrapped(*pieces):
    unwrapping = Unwrapping()
    return "".join([*(unwrapping.feed(piece) for piece in pieces), unwrapping.close()])


def test_a_custom_tool_is_a_function_with_one_string():
    tool = as_function(CustomTool(name="run", description="Runs it."))
    assert (tool.name, tool.description, tool.strict) == ("run", "Runs it.", None)
    assert tool.parameters["required"] == ["input"] == list(tool.parameters["properties"])
    assert tool.parameters["properties"]["input"]["type"] == "string"
    assert as_function(CustomTool(name="run")).description is None


def test_a_grammar_is_told_in_words():
    tool = as_function(CustomTool(name="run", description="D", grammar=Grammar(syntax="lark", definition='start: "a"')))
    assert tool.description == 'D\n\nThe input must match this lark grammar:\nstart: "a"'


@given(st.text(), st.booleans(), st.data())
def test_any_text_comes_back_in_any_pieces(text, ascii_only, data):
    said = json.dumps({"input": text}) if ascii_only else wrapped(text)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=8)))
    pieces = [said[start:end] for start, end in zip([0, *cuts], [*cuts, len(said)], strict=True)]
    assert unwrapped(*pieces) == text
    assert unwrapped(*said) == text


def test_the_text_comes_as_its_pieces_do():
    unwrapping = Unwrapping()
    fed = ['{"in', 'put": "a', "b\\", "nc\\ud83", "d", "\\ude00", '"', "}"]
    assert [unwrapping.feed(piece) for piece in fed] == ["", "a", "b", "\nc", "", "\U0001f600", "", ""]
    assert unwrapping.close() == ""


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("", ""),
        ("{}", ""),
        ('{"input":5}', '{"input":5}'),
        ('{"why":"w","input":"x"}', "x"),
        ('{"input":"x","why":"w"}', "x"),
        ('{"patch":"x"}', '{"patch":"x"}'),
        ("plain text", "plain text"),
        ('"x"', '"x"'),
        (" " * 200 + '{"input":"x"}', "x"),
        ("[" * 100_000, "[" * 100_000),
        ('{"input":"cut sho', "cut sho"),
        ('{"input":"cut\\u12', "cut"),
        ('{"input":"\\ud83d"}', "\ufffd"),
        ('{"input":"\\ud83d\\n"}', "\ufffd\n"),
        ('{"input":"\\ud83d\\ud83d\\ude00"}', "\ufffd\U0001f600"),
        ('{"input":"\\ude00x"}', "\ufffdx"),
        ('{"input":"\\q\\/\\uZZZZ"}', "q/\\uZZZZ"),
    ],
)
def test_arguments_of_other_forms(said, text):
    assert unwrapped(said) == text
    assert unwrapped(*said) == text
