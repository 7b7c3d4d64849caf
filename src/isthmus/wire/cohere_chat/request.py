"""A Chat request of Cohere's to a `Chat`. Its messages are read in `messages`; writing one is in `upstream`."""

from __future__ import annotations

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import AnswerFormat, Chat, Tool, ToolChoice
from isthmus.errors import InvalidRequest
from isthmus.wire.body import Body
from isthmus.wire.cohere_chat import schema
from isthmus.wire.cohere_chat.messages import read_messages
from isthmus.wire.cohere_chat.thinking import read_thinking

# Of the gateway, never of a provider (data-plane 4.2): taken out, and nothing to tell the caller about.
OURS = ("options", "gateway")

_NO_OTHER = "no other dialect has it"
# Nobody else has Cohere's safety instruction: where a caller leaves it as it is, or out, there is nothing to lose.
_SAFETY_IDLE = (None, "CONTEXTUAL", "OFF", "NONE")


def read_request(body: Body) -> Chat:
    """Raises `InvalidRequest`."""
    asked, unknown = schema.REQUEST.read(body)
    receipt = Receipt()
    for name in unknown:
        receipt.lost(name, _NO_OTHER)
    if asked.safety_mode not in _SAFETY_IDLE:
        receipt.lost("safety_mode", _NO_OTHER)
    messages = read_messages(asked, receipt)
    return Chat(
        model=asked.model or "",
        messages=messages,
        tools=_tools(asked),
        tool_choice=_choice(asked),
        max_tokens=asked.max_tokens,
        temperature=asked.temperature,
        top_p=asked.p or None,  # to Cohere a `p` of 0 is none
        top_k=asked.k,
        stop=asked.stop_sequences or (),
        seed=asked.seed,
        frequency_penalty=asked.frequency_penalty,
        presence_penalty=asked.presence_penalty,
        logprobs=asked.logprobs is True,
        answer_format=_format(asked.response_format),
        stream=asked.stream is True,
        **read_thinking(asked.thinking),
        unplaced=receipt.notes(),
    )


def _tools(asked: schema.Request) -> tuple[Tool, ...]:
    tools = []
    for index, tool in enumerate(asked.tools or ()):
        at = f"tools.{index}"
        if tool.type != "function":
            raise InvalidRequest(f"`{at}.type` must be `function`.", param=f"{at}.type")
        if tool.function is None or not tool.function.name:
            raise InvalidRequest(f"`{at}.function.name` is required.", param=f"{at}.function.name")
        function = tool.function
        tools.append(
            Tool(
                name=function.name,
                description=function.description,
                parameters=function.parameters,
                strict=asked.strict_tools,
            )
        )
    return tuple(tools)


def _choice(asked: schema.Request) -> ToolChoice | None:
    if asked.tool_choice is None:
        return None
    if not asked.tools:
        raise InvalidRequest("`tool_choice` needs `tools`.", param="tool_choice")
    return ToolChoice(mode="required" if asked.tool_choice == "REQUIRED" else "none")


def _format(given: schema.ResponseFormat | None) -> AnswerFormat | None:
    """Cohere enforces a schema always: there is no other way to say it."""
    if given is None or given.type == "text":
        return None
    return AnswerFormat(schema=given.json_schema, strict=None if given.json_schema is None else True)
