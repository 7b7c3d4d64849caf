"""What callers of Chat Completions send, as types. Requests are read strictly, since a wrong field is the caller's to
mend; what providers answer is in `answer.schema`, and read loosely."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from isthmus.wire.unknown_fields import RequestReading

AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


class CacheControl(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Anthropic's mark, which callers send in OpenAI's shape too (OpenRouter and others take it there)."""

    type: Literal["ephemeral"] = "ephemeral"
    ttl: Literal["5m", "1h"] | None = None


class ImageURL(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    detail: str | None = None


class VideoURL(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str


class InputAudio(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    data: str
    format: str


class InputFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class ContentPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which fields a part must have depends on `type`; `messages` looks, and says so with the field's path.
    `video_url` is vLLM's and other compatible servers'."""

    type: str
    text: str | None = None
    image_url: ImageURL | None = None
    video_url: VideoURL | None = None
    refusal: str | None = None
    input_audio: InputAudio | None = None
    file: InputFile | None = None
    cache_control: CacheControl | None = None


class CalledFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    arguments: str = ""


class CalledCustom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    input: str = ""


class MadeCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`index` comes back from callers who gathered a stream's fragments; it says nothing here. `extra_content` is
    Google's place for its thought signature."""

    id: str
    type: str = "function"
    function: CalledFunction | None = None
    custom: CalledCustom | None = None
    extra_content: Any = None
    index: Any = None


class RequestMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`annotations` comes back from callers who send an answer's message again; it says nothing to a model.
    `reasoning_details` is OpenRouter's: see `messages.thinking`. `cache_control` marks the message's last part: callers
    who know OpenRouter's or LiteLLM's servers put it here too."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | tuple[ContentPart, ...] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: tuple[MadeCall, ...] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[dict[str, Any]] | None = None
    function_call: CalledFunction | None = None
    audio: Any = None
    annotations: Any = None
    cache_control: CacheControl | None = None


class Function(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class CustomGrammar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    syntax: Literal["lark", "regex"]
    definition: str


class CustomFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["text", "grammar"]
    grammar: CustomGrammar | None = None


class Custom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    format: CustomFormat | None = None


class ToolDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    function: Function | None = None
    custom: Custom | None = None
    cache_control: CacheControl | None = None


class Named(msgspec.Struct, frozen=True):
    name: str


class AllowedTool(msgspec.Struct, frozen=True):
    type: str = "function"
    function: Named | None = None
    custom: Named | None = None


class AllowedTools(msgspec.Struct, frozen=True):
    mode: Literal["auto", "required"]
    tools: tuple[AllowedTool, ...]


class ChosenTool(msgspec.Struct, frozen=True):
    type: str
    function: Named | None = None
    custom: Named | None = None
    allowed_tools: AllowedTools | None = None


class ResponseFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`json_schema` is OpenAI's wrapper, or a bare schema (data-plane 4.3): `request` tells them apart."""

    type: str
    json_schema: dict[str, Any] | None = None


class NamedSchema(msgspec.Struct, frozen=True):
    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class UserLocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    approximate: Place
    type: Literal["approximate"] = "approximate"


class WebSearchOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    search_context_size: Literal["low", "medium", "high"] | None = None
    user_location: UserLocation | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that have a place in `Chat`, those that we refuse by name, and `options` and `gateway`, which are the
    gateway's own (data-plane 4.2). The input of `/ai/run` has no `model`."""

    messages: tuple[RequestMessage, ...]
    model: str | None = None
    max_completion_tokens: AtLeastOne | None = None
    max_tokens: AtLeastOne | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: str | tuple[str, ...] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    tools: tuple[ToolDefinition, ...] | None = None
    tool_choice: str | ChosenTool | None = None
    parallel_tool_calls: bool | None = None
    web_search_options: WebSearchOptions | None = None
    response_format: ResponseFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    cache_control: CacheControl | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    modalities: list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    functions: tuple[Function, ...] | None = None
    function_call: str | Named | None = None
    options: Any = None
    gateway: Any = None


class LooseImageURL(ImageURL, frozen=True, forbid_unknown_fields=False):
    pass


class LooseVideoURL(VideoURL, frozen=True, forbid_unknown_fields=False):
    pass


class LooseInputAudio(InputAudio, frozen=True, forbid_unknown_fields=False):
    pass


class LooseInputFile(InputFile, frozen=True, forbid_unknown_fields=False):
    pass


class LooseCacheControl(CacheControl, frozen=True, forbid_unknown_fields=False):
    pass


class LoosePart(ContentPart, frozen=True, forbid_unknown_fields=False):
    image_url: LooseImageURL | None = None
    video_url: LooseVideoURL | None = None
    input_audio: LooseInputAudio | None = None
    file: LooseInputFile | None = None
    cache_control: LooseCacheControl | None = None


class LooseCalledFunction(CalledFunction, frozen=True, forbid_unknown_fields=False):
    pass


class LooseCalledCustom(CalledCustom, frozen=True, forbid_unknown_fields=False):
    pass


class LooseCall(MadeCall, frozen=True, forbid_unknown_fields=False):
    function: LooseCalledFunction | None = None
    custom: LooseCalledCustom | None = None


class LooseMessage(RequestMessage, frozen=True, forbid_unknown_fields=False):
    content: str | tuple[LoosePart, ...] | None = None
    tool_calls: tuple[LooseCall, ...] | None = None
    function_call: LooseCalledFunction | None = None


class LooseFunction(Function, frozen=True, forbid_unknown_fields=False):
    pass


class LooseCustomGrammar(CustomGrammar, frozen=True, forbid_unknown_fields=False):
    pass


class LooseCustomFormat(CustomFormat, frozen=True, forbid_unknown_fields=False):
    grammar: LooseCustomGrammar | None = None


class LooseCustom(Custom, frozen=True, forbid_unknown_fields=False):
    format: LooseCustomFormat | None = None


class LooseTool(ToolDefinition, frozen=True, forbid_unknown_fields=False):
    function: LooseFunction | None = None
    custom: LooseCustom | None = None
    cache_control: LooseCacheControl | None = None


class LooseFormat(ResponseFormat, frozen=True, forbid_unknown_fields=False):
    pass


class LoosePlace(Place, frozen=True, forbid_unknown_fields=False):
    pass


class LooseUserLocation(UserLocation, frozen=True, forbid_unknown_fields=False):
    approximate: LoosePlace


class LooseWebSearchOptions(WebSearchOptions, frozen=True, forbid_unknown_fields=False):
    user_location: LooseUserLocation | None = None


class LooseRequest(Request, frozen=True, kw_only=True):
    messages: tuple[LooseMessage, ...]
    tools: tuple[LooseTool, ...] | None = None
    functions: tuple[LooseFunction, ...] | None = None
    web_search_options: LooseWebSearchOptions | None = None
    response_format: LooseFormat | None = None
    cache_control: LooseCacheControl | None = None


REQUEST: RequestReading[Request] = RequestReading(Request, LooseRequest, {"store": False})
