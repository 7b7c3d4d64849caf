"""The providers that speak OpenAI's chat completions, one row each, and what else they speak natively.

What is listed here has been checked against the provider's own documents (address above the row): a caller's dialect
that stands here is relayed, any other is translated.
"""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.providers.provider import COMPATIBLE, X_API_KEY, Place, Provider

CHAT, RESPONSES, MESSAGES = "openai_chat", "openai_responses", "anthropic_messages"
COMPLETIONS = "openai_completions"  # always the last: a chat is never translated to it

# Whose chat completions differ from the others' (`wire.openai_chat.options`).
_WAYS = {
    "deepseek": "openai_chat_deepseek",
    "mistral": "openai_chat_mistral",
    "openrouter": "openai_chat_openrouter",
}


def _row(slug: str, base_url: str, variable: str, **paths: str) -> Provider:
    """`paths`: dialect to path, the preferred first."""
    return Provider(
        slug=slug,
        base_url=base_url,
        paths={dialect: Place(path) for dialect, path in paths.items()},
        variants={CHAT: _WAYS[slug]} if slug in _WAYS else COMPATIBLE,
        credential_variable=variable,
    )


def _server(slug: str, port: int, variable: str) -> Provider:
    """One that operators run themselves, at the port that it takes where nobody says otherwise."""
    return Provider(
        slug=slug,
        base_url=f"http://127.0.0.1:{port}/v1/",
        paths={
            CHAT: Place("chat/completions"),
            RESPONSES: Place("responses"),
            MESSAGES: Place("messages"),
            COMPLETIONS: Place("completions"),
        },
        variants=COMPATIBLE,
        credential_variable=variable,
        needs_credential=False,
    )


def _with_claude(chat: str, messages: str) -> Mapping[bool, Mapping[str, Place]]:
    """By whether the model is one of Anthropic's: its messages are served for no other."""
    only = {CHAT: Place(chat)}
    return {False: only, True: {**only, MESSAGES: Place(messages)}}


_DATABRICKS = _with_claude("serving-endpoints/chat/completions", "serving-endpoints/anthropic/v1/messages")
_SNOWFLAKE = _with_claude("api/v2/cortex/v1/chat/completions", "api/v2/cortex/v1/messages")

COMPATIBLE_PROVIDERS: tuple[Provider, ...] = (
    # https://console.groq.com/docs/responses-api
    _row(
        "groq",
        "https://api.groq.com/openai/v1/",
        "GROQ_API_KEY",
        openai_chat="chat/completions",
        openai_responses="responses",
    ),
    # https://docs.x.ai/developers/rest-api-reference/inference; its /v1/messages is "fully deprecated"
    _row(
        "grok", "https://api.x.ai/", "XAI_API_KEY", openai_chat="v1/chat/completions", openai_responses="v1/responses"
    ),
    # https://api-docs.deepseek.com/guides/anthropic_api, https://api-docs.deepseek.com/guides/fim_completion
    _row(
        "deepseek",
        "https://api.deepseek.com/",
        "DEEPSEEK_API_KEY",
        openai_chat="chat/completions",
        anthropic_messages="anthropic/v1/messages",
        openai_completions="beta/completions",
    ),
    # https://docs.mistral.ai/api/endpoint/responses
    _row(
        "mistral",
        "https://api.mistral.ai/",
        "MISTRAL_API_KEY",
        openai_chat="v1/chat/completions",
        openai_responses="v1/responses",
    ),
    # https://docs.perplexity.ai; /v1/responses has other models than chat, so that it is not used
    _row("perplexity-ai", "https://api.perplexity.ai/", "PERPLEXITY_API_KEY", openai_chat="chat/completions"),
    # https://inference-docs.cerebras.ai/resources/openai, https://inference-docs.cerebras.ai/api-reference/completions
    _row(
        "cerebras",
        "https://api.cerebras.ai/v1/",
        "CEREBRAS_API_KEY",
        openai_chat="chat/completions",
        openai_completions="completions",
    ),
    # https://openrouter.ai/docs/api-reference/overview
    _row(
        "openrouter",
        "https://openrouter.ai/api/",
        "OPENROUTER_API_KEY",
        openai_chat="v1/chat/completions",
        openai_responses="v1/responses",
        anthropic_messages="v1/messages",
    ),
    # https://docs.fireworks.ai/guides/response-api, https://docs.fireworks.ai/api-reference/post-completions
    _row(
        "fireworks",
        "https://api.fireworks.ai/inference/v1/",
        "FIREWORKS_API_KEY",
        openai_chat="chat/completions",
        openai_responses="responses",
        anthropic_messages="messages",
        openai_completions="completions",
    ),
    # https://docs.baseten.co/reference/inference-api/messages
    _row(
        "baseten",
        "https://inference.baseten.co/",
        "BASETEN_API_KEY",
        openai_chat="v1/chat/completions",
        anthropic_messages="v1/messages",
    ),
    # https://docs.parallel.ai/api-reference
    Provider(
        slug="parallel",
        base_url="https://api.parallel.ai/",
        paths={CHAT: Place("v1beta/chat/completions")},
        variants=COMPATIBLE,
        auth=X_API_KEY,
        credential_variable="PARALLEL_API_KEY",
    ),
    # https://huggingface.co/docs/inference-providers/guides/responses-api
    _row(
        "huggingface",
        "https://router.huggingface.co/",
        "HF_TOKEN",
        openai_chat="v1/chat/completions",
        openai_responses="v1/responses",
    ),
    # https://docs.together.ai/docs/inference/openai-compatibility, https://docs.together.ai/reference/completions
    _row(
        "together",
        "https://api.together.ai/v1/",
        "TOGETHER_API_KEY",
        openai_chat="chat/completions",
        openai_completions="completions",
    ),
    # https://docs.api.nvidia.com/nim/reference/llm-apis
    _row("nvidia-nim", "https://integrate.api.nvidia.com/v1/", "NVIDIA_API_KEY", openai_chat="chat/completions"),
    # https://docs.sambanova.ai/docs/en/features/anthropic-compatibility
    Provider(
        slug="sambanova",
        base_url="https://api.sambanova.ai/v1/",
        paths={
            CHAT: Place("chat/completions"),
            RESPONSES: Place("responses"),
            MESSAGES: Place("messages", count="messages/count_tokens"),
        },
        variants=COMPATIBLE,
        credential_variable="SAMBANOVA_API_KEY",
    ),
    # https://platform.kimi.ai/docs/api/overview
    _row(
        "moonshotai",
        "https://api.moonshot.ai/",
        "MOONSHOT_API_KEY",
        openai_chat="v1/chat/completions",
        openai_responses="v1/responses",
        anthropic_messages="anthropic/v1/messages",
    ),
    # https://www.alibabacloud.com/help/en/model-studio/anthropic-api-messages
    _row(
        "alibaba",
        "https://dashscope-intl.aliyuncs.com/",
        "DASHSCOPE_API_KEY",
        openai_chat="compatible-mode/v1/chat/completions",
        openai_responses="compatible-mode/v1/responses",
        anthropic_messages="apps/anthropic/v1/messages",
    ),
    # https://platform.minimax.io/docs/api-reference/text-anthropic-api
    _row(
        "minimax",
        "https://api.minimax.io/",
        "MINIMAX_API_KEY",
        openai_chat="v1/chat/completions",
        openai_responses="v1/responses",
        anthropic_messages="anthropic/v1/messages",
    ),
    # https://docs.z.ai/guides/develop/openai/python; responses are for its coding plan alone
    _row(
        "z-ai",
        "https://api.z.ai/api/",
        "ZAI_API_KEY",
        openai_chat="paas/v4/chat/completions",
        anthropic_messages="anthropic/v1/messages",
    ),
    # https://docs.github.com/en/rest/models/inference
    Provider(
        slug="github-models",
        base_url="https://models.github.ai/",
        paths={CHAT: Place("inference/chat/completions")},
        variants=COMPATIBLE,
        credential_variable="GITHUB_TOKEN",
        headers=((b"x-github-api-version", b"2022-11-28"),),
    ),
    # https://docs.databricks.com/aws/en/machine-learning/model-serving/query-anthropic-messages
    Provider(
        slug="databricks",
        base_url_variable="DATABRICKS_HOST",
        paths=_DATABRICKS[True],
        paths_of=lambda model: _DATABRICKS["claude" in model.lower()],
        variants=COMPATIBLE,
        credential_variable="DATABRICKS_TOKEN",
    ),
    # https://docs.snowflake.com/en/user-guide/snowflake-cortex/cortex-rest-api
    Provider(
        slug="snowflake",
        base_url_variable="SNOWFLAKE_HOST",
        paths=_SNOWFLAKE[True],
        paths_of=lambda model: _SNOWFLAKE["claude" in model.lower()],
        variants=COMPATIBLE,
        credential_variable="SNOWFLAKE_PAT",
    ),
    # https://docs.ollama.com/api/openai-compatibility
    _server("ollama", 11434, "OLLAMA_API_KEY"),
    # https://docs.vllm.ai/en/stable/serving/online_serving
    _server("vllm", 8000, "VLLM_API_KEY"),
    # https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
    _server("llama-cpp", 8080, "LLAMA_API_KEY"),
    # https://lmstudio.ai/docs/developer/openai-compat
    _server("lm-studio", 1234, "LM_API_TOKEN"),
)
