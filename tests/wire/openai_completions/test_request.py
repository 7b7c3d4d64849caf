"""What callers of text completions ask for, as a chat; what a chat model cannot do is refused or told; and what is
passed on to those who speak completions themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Message, Text
from isthmus.errors import GatewayError, InvalidRequest, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.openai_completions import DIALECT


def read(**fields: Any) -> Any:
    return DIALECT.read_request(Body(json.dumps({"model": "m", "prompt": "Go on", **fields}).encode()))


def test_everything_that_has_a_place() -> None:
    chat = read(
        max_tokens=5,
        temperature=0,
        top_p=0.5,
        top_k=3,
        n=2,
        best_of=2,
        logprobs=3,
        stop=["a", "b"],
        seed=0,
        frequency_penalty=0.5,
        presence_penalty=-0.5,
        logit_bias={"50256": -100},
        user="u",
        suffix="",
        echo=False,
        stream=True,
        stream_options={"include_usage": True},
        options={"x": 1},
        gateway={"id": "y"},
    )
    assert chat.messages == (Message(role="user", parts=(Text(text="Go on"),)),)
    assert (chat.max_tokens, chat.temperature, chat.top_p, chat.top_k) == (5, 0, 0.5, 3)
    assert (chat.choices, chat.logprobs, chat.top_logprobs, chat.stop) == (2, True, 3, ("a", "b"))
    assert (chat.seed, chat.frequency_penalty, chat.presence_penalty, chat.user) == (0, 0.5, -0.5, "u")
    assert chat.logit_bias == {"50256": -100} and chat.stream and chat.include_usage
    assert chat.unplaced == ()


def test_what_nobody_says() -> None:
    chat = read()
    assert chat.max_tokens == 16, "OpenAI's own"
    assert (chat.logprobs, chat.top_logprobs, chat.choices, chat.stream, chat.include_usage) == (
        False,
        None,
        1,
        False,
        False,
    )
    assert read(logprobs=0).logprobs and read(logprobs=0).top_logprobs is None
    assert read(prompt=["Go on"]).messages == chat.messages
    assert read(stop="x").stop == ("x",)


@pytest.mark.parametrize(
    ("fields", "field", "fate"),
    [
        ({"echo": True}, "echo", "emulated"),
        ({"best_of": 3}, "best_of", "lost"),
        ({"best_of": 3, "n": 2}, "best_of", "lost"),
        ({"repetition_penalty": 1.1}, "repetition_penalty", "lost"),
    ],
)
def test_what_is_told(fields: dict[str, Any], field: str, fate: str) -> None:
    (note,) = read(**fields).unplaced
    assert (note.field, note.fate) == (field, fate)


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"prompt": ["a", "b"]}, Unsupported, "prompt"),
        ({"prompt": [1, 2]}, Unsupported, "prompt"),
        ({"prompt": [[1, 2]]}, Unsupported, "prompt"),
        ({"prompt": ["a", 1]}, Unsupported, "prompt"),
        ({"prompt": []}, InvalidRequest, "prompt"),
        ({"prompt": ""}, InvalidRequest, "prompt"),
        ({"prompt": [""]}, InvalidRequest, "prompt"),
        ({"prompt": None}, InvalidRequest, "prompt"),
        ({"prompt": 7}, InvalidRequest, "prompt"),
        ({"prompt": {"text": "x"}}, InvalidRequest, "prompt"),
        ({"suffix": "end"}, Unsupported, "suffix"),
        ({"max_tokens": 0}, Unsupported, "max_tokens"),
        ({"max_tokens": -1}, InvalidRequest, "max_tokens"),
        ({"echo": True, "logprobs": 0}, Unsupported, "echo"),
        ({"best_of": 1, "n": 2}, InvalidRequest, "best_of"),
        ({"best_of": 2, "stream": True}, InvalidRequest, "best_of"),
        ({"logprobs": True}, InvalidRequest, "logprobs"),
        ({"n": 0}, InvalidRequest, "n"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], kind: type[GatewayError], param: str) -> None:
    with pytest.raises(kind) as caught:
        read(**fields)
    assert caught.value.status == 400 and caught.value.param == param
    assert f"`{param}`" in caught.value.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
NAMES = st.sampled_from(("prompt", "suffix", "max_tokens", "n", "best_of", "echo", "logprobs", "stop", "stream", "x"))


@given(st.dictionaries(NAMES, JSON, max_size=4))
@settings(max_examples=300, deadline=None)
def test_nonsense_is_refused_with_a_400_and_never_a_traceback(fields: dict[str, Any]) -> None:
    try:
        chat = read(**fields)
    except GatewayError as error:
        assert error.status == 400 and error.message
    else:
        DIALECT.write_request(chat, Model(name="m"))


# --- passed on ------------------------------------------------------------------------------------------------------


def test_passed_on_byte_for_byte_but_for_the_model_and_what_is_ours() -> None:
    sent = (
        b'{ "model" : "openai/x", "prompt":[[1,2], [3]] , "options":{}, "suffix":"e", "gateway":{"id":"g"}, "top_k":5 }'
    )
    relayed = DIALECT.relay_request(Body(sent), "x")
    assert relayed.body == b'{ "model" : "x", "prompt":[[1,2], [3]], "suffix":"e", "top_k":5 }'
    assert relayed.filter is None and relayed.notes == ()


def test_passed_on_unchanged_where_nothing_has_to_be_changed() -> None:
    sent = b'{"model":"x","prompt":"a","stream":true,"stream_options":{"include_usage":true}}'
    relayed = DIALECT.relay_request(Body(sent), "x")
    assert relayed.body is sent and relayed.filter is None


@pytest.mark.parametrize("options", [b"", b',"stream_options":{}', b',"stream_options":{"include_usage":false}'])
def test_a_stream_is_asked_for_usage_and_the_caller_does_not_see_it(options: bytes) -> None:
    relayed = DIALECT.relay_request(Body(b'{"model":"x","prompt":"a","stream":true' + options + b"}"), "x")
    assert json.loads(relayed.body)["stream_options"] == {"include_usage": True}
    assert relayed.filter is not None
    text = b'data: {"choices":[{"text":"a","index":0,"logprobs":null,"finish_reason":null}],"usage":null}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n\n'
    done = b"data: [DONE]\n\n"
    assert relayed.filter.feed(text + usage + done) == text + done
    assert relayed.filter.taken == usage
