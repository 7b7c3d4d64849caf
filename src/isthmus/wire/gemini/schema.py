"""Google's generateContent as types: what callers send, and what providers answer. Names are Google's camelCase; the
snake_case that its own parser takes as well is made into it before (`proto_json`). Answers are read loosely."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

# --- requests -------------------------------------------------------------------------------------------------------


class Blob(msgspec.Struct, frozen=True, rename="camel"):
    mime_type: str | None = None
    data: str | None = None
    display_name: str | None = None


class FileData(msgspec.Struct, frozen=True, rename="camel"):
    file_uri: str | None = None
    mime_type: str | None = None
    display_name: str | None = None


class FunctionCall(msgspec.Struct, frozen=True, rename="camel"):
    id: str | None = None
    name: str | None = None
    args: dict[str, Any] | None = None


class FunctionResponsePart(msgspec.Struct, frozen=True, rename="camel"):
    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponse(msgspec.Struct, frozen=True, rename="camel"):
    id: str | None = None
    name: str | None = None
    response: dict[str, Any] | None = None
    parts: tuple[FunctionResponsePart, ...] | None = None


class MediaResolution(msgspec.Struct, frozen=True, rename="camel"):
    level: str | None = None


class Part(msgspec.Struct, frozen=True, rename="camel"):
    """One of `text` … `toolResponse`, and what is said of it. The last four are tools that Google ran itself."""

    text: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    media_resolution: MediaResolution | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None
    tool_call: dict[str, Any] | None = None
    tool_response: dict[str, Any] | None = None


class Content(msgspec.Struct, frozen=True, rename="camel"):
    parts: tuple[Part, ...] | None = None
    role: str | None = None


class FunctionDeclaration(msgspec.Struct, frozen=True, rename="camel"):
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None


class Tool(msgspec.Struct, frozen=True, rename="camel"):
    """All but the first two are Google's alone (the last three Vertex AI's)."""

    function_declarations: tuple[FunctionDeclaration, ...] | None = None
    google_search: dict[str, Any] | None = None
    google_search_retrieval: dict[str, Any] | None = None
    code_execution: dict[str, Any] | None = None
    url_context: dict[str, Any] | None = None
    google_maps: dict[str, Any] | None = None
    file_search: dict[str, Any] | None = None
    computer_use: dict[str, Any] | None = None
    mcp_servers: list[Any] | None = None
    enterprise_web_search: dict[str, Any] | None = None
    retrieval: dict[str, Any] | None = None
    parallel_ai_search: dict[str, Any] | None = None


class FunctionCallingConfig(msgspec.Struct, frozen=True, rename="camel"):
    mode: str | None = None
    allowed_function_names: tuple[str, ...] | None = None


class ToolConfig(msgspec.Struct, frozen=True, rename="camel"):
    """`include_server_side_tool_invocations` says how Google tells of its own tools, and asks for nothing more."""

    function_calling_config: FunctionCallingConfig | None = None
    include_server_side_tool_invocations: bool | None = None


class ThinkingConfig(msgspec.Struct, frozen=True, rename="camel"):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class TextFormat(msgspec.Struct, frozen=True, rename="camel"):
    mime_type: str | None = None
    schema: dict[str, Any] | None = None


class ResponseFormat(msgspec.Struct, frozen=True, rename="camel"):
    text: TextFormat | None = None
    audio: dict[str, Any] | None = None
    image: dict[str, Any] | None = None


AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


class GenerationConfig(msgspec.Struct, frozen=True, rename="camel"):
    """`_responseJsonSchema` is the discovery document's own, older spelling."""

    candidate_count: AtLeastOne | None = None
    stop_sequences: tuple[str, ...] | None = None
    max_output_tokens: AtLeastOne | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    older_json_schema: dict[str, Any] | None = msgspec.field(default=None, name="_responseJsonSchema")
    response_format: ResponseFormat | None = None
    response_modalities: tuple[str, ...] | None = None
    speech_config: Any = None
    image_config: Any = None
    thinking_config: ThinkingConfig | None = None
    media_resolution: str | None = None


class SafetySetting(msgspec.Struct, frozen=True, rename="camel"):
    category: str | None = None
    threshold: str | None = None
    method: str | None = None


class Request(msgspec.Struct, frozen=True, rename="camel"):
    """`model` and `stream` are in the path at Google; a body may hold them for us."""

    contents: tuple[Content, ...] | None = None
    system_instruction: Content | None = None
    tools: tuple[Tool, ...] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
    safety_settings: tuple[SafetySetting, ...] | None = None
    cached_content: str | None = None
    labels: dict[str, str] | None = None
    service_tier: str | None = None
    store: bool | None = None
    model: str | None = None
    stream: bool | None = None


# --- answers --------------------------------------------------------------------------------------------------------

Count = int | float | None


class ModalityCount(msgspec.Struct, frozen=True, rename="camel"):
    modality: str | None = None
    token_count: Count = None


class AnsweredUsage(msgspec.Struct, frozen=True, rename="camel"):
    """`promptTokenCount` holds the cached tokens, not those that tools put into the prompt; `candidatesTokenCount` does
    not hold the thoughts. `trafficType` is Vertex AI's word for the tier."""

    prompt_token_count: Count = None
    candidates_token_count: Count = None
    thoughts_token_count: Count = None
    tool_use_prompt_token_count: Count = None
    cached_content_token_count: Count = None
    prompt_tokens_details: tuple[ModalityCount, ...] | None = None
    tool_use_prompt_tokens_details: tuple[ModalityCount, ...] | None = None
    candidates_tokens_details: tuple[ModalityCount, ...] | None = None
    service_tier: str | None = None
    traffic_type: str | None = None


class AnsweredCall(msgspec.Struct, frozen=True, rename="camel"):
    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = msgspec.Raw()


class AnsweredPart(msgspec.Struct, frozen=True, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: AnsweredCall | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None
    tool_call: dict[str, Any] | None = None
    tool_response: dict[str, Any] | None = None


class AnsweredContent(msgspec.Struct, frozen=True, rename="camel"):
    parts: tuple[AnsweredPart, ...] | None = None


class ScoredToken(msgspec.Struct, frozen=True, rename="camel"):
    token: str | None = None
    log_probability: float | None = None


class TopTokens(msgspec.Struct, frozen=True, rename="camel"):
    candidates: tuple[ScoredToken, ...] | None = None


class LogprobsResult(msgspec.Struct, frozen=True, rename="camel"):
    chosen_candidates: tuple[ScoredToken, ...] | None = None
    top_candidates: tuple[TopTokens, ...] | None = None


class Source(msgspec.Struct, frozen=True, rename="camel"):
    """A web page, a stored document's passage, or a place on a map."""

    uri: str | None = None
    title: str | None = None


class GroundingChunk(msgspec.Struct, frozen=True, rename="camel"):
    web: Source | None = None
    retrieved_context: Source | None = None
    maps: Source | None = None


class Segment(msgspec.Struct, frozen=True, rename="camel"):
    """Counted in bytes of UTF-8 from the start of the part."""

    part_index: int | None = None
    start_index: int | None = None
    end_index: int | None = None
    text: str | None = None


class GroundingSupport(msgspec.Struct, frozen=True, rename="camel"):
    segment: Segment | None = None
    grounding_chunk_indices: tuple[int, ...] | None = None


class GroundingMetadata(msgspec.Struct, frozen=True, rename="camel"):
    grounding_chunks: tuple[GroundingChunk, ...] | None = None
    grounding_supports: tuple[GroundingSupport, ...] | None = None
    web_search_queries: tuple[str, ...] | None = None


class CitationSource(msgspec.Struct, frozen=True, rename="camel"):
    start_index: int | None = None
    end_index: int | None = None
    uri: str | None = None
    title: str | None = None


class CitationMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """AI Studio has `citationSources`, Vertex AI `citations`."""

    citation_sources: tuple[CitationSource, ...] | None = None
    citations: tuple[CitationSource, ...] | None = None


class FetchedPage(msgspec.Struct, frozen=True, rename="camel"):
    retrieved_url: str | None = None
    url_retrieval_status: str | None = None


class UrlContextMetadata(msgspec.Struct, frozen=True, rename="camel"):
    url_metadata: tuple[FetchedPage, ...] | None = None


class Candidate(msgspec.Struct, frozen=True, rename="camel"):
    index: int | None = None
    content: AnsweredContent | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    logprobs_result: LogprobsResult | None = None
    grounding_metadata: msgspec.Raw = msgspec.Raw()
    citation_metadata: CitationMetadata | None = None
    url_context_metadata: msgspec.Raw = msgspec.Raw()


class PromptFeedback(msgspec.Struct, frozen=True, rename="camel"):
    block_reason: str | None = None


class AnsweredError(msgspec.Struct, frozen=True):
    code: int | float | str | None = None
    message: str | None = None
    status: str | None = None
    details: tuple[dict[str, Any], ...] | None = None


class Answer(msgspec.Struct, frozen=True, rename="camel"):
    """A whole answer, or one chunk of a streamed one; or an error instead."""

    candidates: tuple[Candidate, ...] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: AnsweredUsage | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: AnsweredError | None = None


class HeadCandidate(msgspec.Struct, frozen=True, rename="camel"):
    finish_reason: str | None = None
    grounding_metadata: msgspec.Raw = msgspec.Raw()


class HeadGrounding(msgspec.Struct, frozen=True, rename="camel"):
    web_search_queries: list[msgspec.Raw] | None = None


class AnswerHead(msgspec.Struct, frozen=True, rename="camel"):
    """What a log row wants of an answer; its content is passed over."""

    candidates: tuple[HeadCandidate, ...] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: AnsweredUsage | None = None
    model_version: str | None = None
    error: AnsweredError | None = None
