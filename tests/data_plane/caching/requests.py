"""For each dialect a request that holds whatever can be asked for in it, and what may be another in it for nothing."""

from __future__ import annotations

from typing import Any

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_URL = f"data:image/png;base64,{PNG}"
_PDF = "JVBERi0="
_SCHEMA = {
    "type": "object",
    "properties": {"at": {"type": "string", "minLength": 1}},
    "required": ["at"],
    "additionalProperties": False,
}
_NAMED = {"name": "weather", "description": "The weather.", "parameters": _SCHEMA, "strict": True}
_GRAMMAR = {"syntax": "regex", "definition": "^a$"}
_FORMAT = {"name": "place", "schema": _SCHEMA, "strict": True, "description": "A place."}
_CALLED = '{"at":"Bern"}'
_MARK = {"type": "ephemeral", "ttl": "5m"}

CHAT: dict[str, Any] = {
    "model": "openai/gpt-4o",
    "messages": [
        {"role": "system", "content": "Be brief.", "name": "boss"},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind.", "cache_control": _MARK}]},
        {
            "role": "user",
            "name": "bob",
            "content": [
                {"type": "text", "text": "Hello"},
                {"type": "image_url", "image_url": {"url": _URL, "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{_PDF}", "filename": "a.pdf"}},
                {"type": "file", "file": {"file_id": "file-1"}},
            ],
        },
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": _CALLED}},
                {"id": "c2", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "a b"}]},
        {"role": "user", "content": "And now?"},
    ],
    "tools": [
        {"type": "function", "function": _NAMED},
        {"type": "custom", "custom": {"name": "sh", "format": {"type": "grammar", "grammar": _GRAMMAR}}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "weather"}},
    "parallel_tool_calls": False,
    "max_completion_tokens": 100,
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 4,
    "stop": ["a", "b"],
    "seed": 7,
    "frequency_penalty": 0.5,
    "presence_penalty": 0.25,
    "logit_bias": {"5": -1},
    "n": 2,
    "logprobs": True,
    "top_logprobs": 2,
    "response_format": {"type": "json_schema", "json_schema": _FORMAT},
    "verbosity": "low",
    "reasoning_effort": "low",
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "service_tier": "flex",
    "metadata": {"a": "b"},
    "user": "u",
}
RESPONSES: dict[str, Any] = {
    "model": "openai/gpt-4o",
    "instructions": "Be brief.",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Hello"},
                {"type": "input_image", "image_url": _URL, "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{_PDF}"},
            ],
        },
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Look."}],
            "encrypted_content": "ZW5j",
        },
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": _CALLED},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
        {"role": "user", "content": "And now?"},
    ],
    "tools": [
        {"type": "function", **_NAMED},
        {"type": "custom", "name": "sh", "description": "A shell.", "format": {"type": "grammar", **_GRAMMAR}},
        {"type": "code_interpreter", "container": {"type": "auto"}},
    ],
    "tool_choice": {"type": "function", "name": "weather"},
    "parallel_tool_calls": False,
    "max_output_tokens": 100,
    "temperature": 0.5,
    "top_p": 0.5,
    "text": {"format": {"type": "json_schema", **_FORMAT}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "store": False,
    "metadata": {"a": "b"},
    "user": "u",
    "service_tier": "flex",
    "prompt_cache_key": "k",
    "top_logprobs": 2,
}
MESSAGES: dict[str, Any] = {
    "model": "anthropic/claude-haiku-4.5",
    "system": [{"type": "text", "text": "Be brief.", "cache_control": _MARK}],
    "max_tokens": 2000,
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Hello"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": _PDF},
                    "title": "T",
                    "context": "C",
                    "citations": {"enabled": True},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Look.", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "cmVk"},
                {
                    "type": "tool_use",
                    "id": "c1",
                    "name": "weather",
                    "input": {"at": "Bern", "days": [1, {"a": 1, "b": 2}]},
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "sunny"}]},
                {"type": "text", "text": "And now?"},
            ],
        },
    ],
    "tools": [
        {"name": "weather", "description": "The weather.", "input_schema": _SCHEMA, "strict": True},
        {"type": "bash_20250124", "name": "bash"},
    ],
    "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
    "temperature": 1.0,
    "top_p": 0.5,
    "top_k": 5,
    "stop_sequences": ["a"],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "metadata": {"user_id": "u"},
    "service_tier": "auto",
}
GEMINI: dict[str, Any] = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "contents": [
        {"role": "user", "parts": [{"text": "Hello"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]},
        {
            "role": "model",
            "parts": [
                {"text": "Look.", "thought": True},
                {"functionCall": {"name": "weather", "args": {"at": "Bern", "days": 1}}, "thoughtSignature": "c2ln"},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "weather", "response": {"sun": True, "rain": {"a": 1, "b": 2}}}},
                {"text": "And now?"},
            ],
        },
    ],
    "tools": [
        {"functionDeclarations": [{"name": "weather", "description": "There.", "parametersJsonSchema": _SCHEMA}]}
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "generationConfig": {
        "temperature": 0.5,
        "topP": 0.5,
        "topK": 5,
        "maxOutputTokens": 100,
        "stopSequences": ["a"],
        "candidateCount": 2,
        "seed": 7,
        "presencePenalty": 0.5,
        "frequencyPenalty": 0.25,
        "responseMimeType": "application/json",
        "responseJsonSchema": _SCHEMA,
        "responseLogprobs": True,
        "logprobs": 2,
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 100},
    },
}
COMPLETIONS: dict[str, Any] = {
    "model": "openai/gpt-3.5-turbo-instruct",
    "prompt": "Hello",
    "max_tokens": 10,
    "temperature": 0.5,
    "n": 2,
    "stop": ["a"],
    "logprobs": 2,
    "echo": True,
    "suffix": "s",
    "best_of": 2,
    "seed": 7,
}
RUN: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Hello"}],
    "max_tokens": 10,
    "top_k": 4,
    "repetition_penalty": 1.5,
    "response_format": {"type": "json_schema", "json_schema": _SCHEMA},
    "tools": [{"type": "function", "function": {"name": "weather", "parameters": _SCHEMA}}],
    "lora": "l",
}
EMBEDDINGS: dict[str, Any] = {"model": "m", "input": ["a", "b"], "dimensions": 10, "encoding_format": "float"}
RUN_EMBEDDINGS: dict[str, Any] = {"text": ["a", "b"], "pooling": "cls"}

OF = {
    "openai_chat": CHAT,
    "openai_responses": RESPONSES,
    "anthropic_messages": MESSAGES,
    "gemini": GEMINI,
    "openai_completions": COMPLETIONS,
    "workers_ai": RUN,
    "openai_embeddings": EMBEDDINGS,
    "workers_ai_embeddings": RUN_EMBEDDINGS,
}
NOTHING = {
    "model.other",  # the target's name counts
    "input.1.summary.0.type.other",  # there is one kind of summary
    "store.other",  # ours: it is on the wish for thinking that it tells
    "messages.0.content.1.source.more",
    "messages.0.content.2.source.more",
    "messages.0.content.1.source.media_type.other",  # the bytes say what they are
    "messages.0.content.2.source.media_type.other",
    "messages.0.content.2.citations.more",
    "system.0.cache_control.more",
    "contents.0.parts.1.inlineData.mimeType.other",
    "include.more",  # the same once more
    "response_format.json_schema.more",  # what readers pass over, and providers refuse
    "tool_choice.more",
    "tool_choice.function.more",
}
"""Where a change may leave the key as it is: no answer is another one for it."""
