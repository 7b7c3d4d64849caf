"""The agents: how each is told where its models are, how it is run without a person, and how a model has it write,
show and change a file.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from agents.place import AIDER_BIN, NODE_BIN, Place, Ran

Steps = list[dict[str, Any]]
Strings = dict[str, str]


_PATCH = "*** Begin Patch\n*** {} File: {}\n{}\n*** End Patch\n"


def adds(path: Path) -> str:
    return _PATCH.format("Add", path.name, "+Hello.")


def changes(path: Path) -> str:
    return _PATCH.format("Update", path.name, "@@\n-Hello.\n+Goodbye.")


class Agent(ABC):
    """`asides` is how many calls it makes of its own accord, for a title or the like."""

    name: str
    asides = 0

    calls_out: bool = False
    """Whether it asks hosts of its own for something, with all settings against it."""

    async def run(self, place: Place, model: str, steps: Steps, headers: Strings | None = None) -> Ran:
        """`headers` are to go with each of its calls."""
        return await self.ask(place, model, f"script: {json.dumps(steps)}", headers or {}, {})

    @abstractmethod
    async def ask(self, place: Place, model: str, asked: str, headers: Strings, more: Strings) -> Ran:
        """`more` is environment, over what it needs."""
        ...

    @abstractmethod
    def writes(self, model: str, path: Path, last: str) -> Steps:
        """Makes `path` hold "Hello.\\n", looks at it, changes it to "Goodbye.\\n"."""
        ...


class ClaudeCode(Agent):
    name = "claude"

    async def ask(self, place: Place, model: str, asked: str, headers: Strings, more: Strings) -> Ran:
        environment = {
            "ANTHROPIC_BASE_URL": place.base("anthropic"),
            "ANTHROPIC_AUTH_TOKEN": place.token,
            "ANTHROPIC_MODEL": model,
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "ANTHROPIC_CUSTOM_HEADERS": "\n".join(f"{name}: {value}" for name, value in headers.items()),
            "IS_SANDBOX": "1",
        }
        command = [str(NODE_BIN / "claude"), "-p", "--dangerously-skip-permissions"]
        return await place.run(command, {**environment, **more}, asked)

    def writes(self, model: str, path: Path, last: str) -> Steps:
        file = {"file_path": str(path)}
        return [
            {"say": "I shall write it.", "call": "Write", "with": {**file, "content": "Hello.\n"}},
            {"call": "Read", "with": file},
            {"call": "Edit", "with": {**file, "old_string": "Hello", "new_string": "Goodbye"}},
            {"say": last},
        ]


class Codex(Agent):
    name = "codex"

    async def ask(self, place: Place, model: str, asked: str, headers: Strings, more: Strings) -> Ran:
        config = place.home / ".codex" / "config.toml"
        config.parent.mkdir(exist_ok=True)
        config.write_text(
            f'model = "{model}"\nmodel_provider = "isthmus"\ncheck_for_update_on_startup = false\n'
            "[analytics]\nenabled = false\n[features]\nplugins = false\n"
            '[model_providers.isthmus]\nname = "Isthmus"\nwire_api = "responses"\nenv_key = "ISTHMUS_TOKEN"\n'
            f'base_url = "{place.base("openai")}"\nrequest_max_retries = 1\nstream_max_retries = 2\n'
            f"http_headers = {{{', '.join(f'{json.dumps(k)} = {json.dumps(v)}' for k, v in headers.items())}}}\n"
        )
        command = [str(NODE_BIN / "codex"), "exec", "--skip-git-repo-check"]
        command += ["--dangerously-bypass-approvals-and-sandbox", "-"]
        return await place.run(command, {"ISTHMUS_TOKEN": place.token, **more}, asked)

    def writes(self, model: str, path: Path, last: str) -> Steps:
        """Codex offers its `apply_patch`, a tool of free text, to models that it knows; others use the shell."""
        if not model.startswith("openai/gpt-5"):
            commands = ("printf 'Hello.\\n' > {0}", "cat {0}", "sed -i s/Hello/Goodbye/ {0}")
            calls = [{"call": "exec_command", "with": {"cmd": command.format(path.name)}} for command in commands]
            return [*calls, {"say": last}]
        return [
            {"call": "apply_patch", "with": adds(path)},
            {"call": "exec_command", "with": {"cmd": f"cat {path.name}"}},
            {"call": "apply_patch", "with": changes(path)},
            {"say": last},
        ]


class Opencode(Agent):
    """It speaks the dialect of the npm package that its configuration names for the provider."""

    asides = 1
    calls_out = True

    def __init__(self, name: str, package: str) -> None:
        self.name = name
        self._package = package

    async def ask(self, place: Place, model: str, asked: str, headers: Strings, more: Strings) -> Ran:
        base = f"{place.base('anthropic')}/v1" if self._package == "@ai-sdk/anthropic" else place.base("openai")
        provider = {
            "npm": self._package,
            "name": "Isthmus",
            "options": {"baseURL": base, "apiKey": "{env:ISTHMUS_TOKEN}", "headers": headers},
            "models": {model: {"name": model, "limit": {"context": 128_000, "output": 8192}}},
        }
        name = f"isthmus/{model}"
        config = {"autoupdate": False, "share": "disabled", "model": name, "small_model": name}
        (place.home / "opencode.json").write_text(json.dumps({**config, "provider": {"isthmus": provider}}))
        environment = {
            "OPENCODE_CONFIG": str(place.home / "opencode.json"),
            "ISTHMUS_TOKEN": place.token,
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
        }
        return await place.run([str(NODE_BIN / "opencode"), "run"], {**environment, **more}, asked)

    def writes(self, model: str, path: Path, last: str) -> Steps:
        """Models of the GPT-5 family are offered a patch instead of `write` and `edit`."""
        file = {"filePath": str(path)}
        if "gpt-5" in model:
            return [
                {"call": "apply_patch", "with": {"patchText": adds(path)}},
                {"call": "read", "with": file},
                {"call": "apply_patch", "with": {"patchText": changes(path)}},
                {"say": last},
            ]
        return [
            {"call": "write", "with": {**file, "content": "Hello.\n"}},
            {"call": "read", "with": file},
            {"call": "edit", "with": {**file, "oldString": "Hello", "newString": "Goodbye"}},
            {"say": last},
        ]


class GeminiCli(Agent):
    name = "gemini"

    async def ask(self, place: Place, model: str, asked: str, headers: Strings, more: Strings) -> Ran:
        settings = place.home / ".gemini" / "settings.json"
        settings.parent.mkdir(exist_ok=True)
        chosen = {
            "general": {"enableAutoUpdate": False, "maxAttempts": 2},
            "privacy": {"usageStatisticsEnabled": False},
            "security": {"auth": {"selectedType": "gemini-api-key"}},
        }
        settings.write_text(json.dumps(chosen))
        environment = {
            "GOOGLE_GEMINI_BASE_URL": place.base("google"),
            "GEMINI_API_KEY": place.token,
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
            "GEMINI_CLI_CUSTOM_HEADERS": ", ".join(f"{name}: {value}" for name, value in headers.items()),
        }
        command = [str(NODE_BIN / "gemini"), "--model", model, "--yolo", "--prompt", asked]
        return await place.run(command, {**environment, **more})

    def writes(self, model: str, path: Path, last: str) -> Steps:
        file = {"file_path": str(path)}
        changed = {"instruction": "Say goodbye.", "old_string": "Hello", "new_string": "Goodbye"}
        return [
            {"call": "write_file", "with": {**file, "content": "Hello.\n"}},
            {"call": "read_file", "with": file},
            {"call": "replace", "with": {**file, **changed}},
            {"say": last},
        ]


class Aider(Agent):
    """It has no tools: a model's words hold the file, or what is to change in it. `family` is LiteLLM's word for the
    dialect: `openai`, `anthropic` or `gemini`."""

    calls_out = True

    def __init__(self, name: str, family: str) -> None:
        self.name = name
        self._family = family

    async def ask(self, place: Place, model: str, asked: str, headers: Strings, more: Strings) -> Ran:
        environment = {
            "openai": {"OPENAI_API_BASE": place.base("openai"), "OPENAI_API_KEY": place.token},
            "anthropic": {"ANTHROPIC_API_BASE": place.base("anthropic"), "ANTHROPIC_API_KEY": place.token},
            "gemini": {"GEMINI_API_BASE": f"{place.base('google')}/v1beta", "GEMINI_API_KEY": place.token},
        }[self._family]
        quiet = [
            "--no-check-update",
            "--analytics-disable",
            "--no-show-release-notes",
            "--no-pretty",
            "--no-detect-urls",
        ]
        name = f"{self._family}/{model}"
        settings = place.home / ".aider.model.settings.yml"
        settings.write_text(json.dumps([{"name": name, "extra_params": {"extra_headers": headers}}]))
        command = [str(AIDER_BIN / "aider"), "--model", name, "--edit-format", "diff"]
        command += ["--yes-always", "--no-git", "--no-show-model-warnings", *quiet, "--message", asked]
        return await place.run(command, {"LITELLM_LOCAL_MODEL_COST_MAP": "True", **environment, **more})

    def writes(self, model: str, path: Path, last: str) -> Steps:
        """All in one answer: aider sends a refused edit back, but asks nothing else."""
        block = "{}\n```\n<<<<<<< SEARCH\n{}=======\n{}>>>>>>> REPLACE\n```\n"
        blocks = block.format(path.name, "", "Hello.\n") + block.format(path.name, "Hello.\n", "Goodbye.\n")
        return [{"say": f"{blocks}\n{last}"}]


CLAUDE, CODEX, GEMINI = ClaudeCode(), Codex(), GeminiCli()
OPENCODE_CHAT = Opencode("opencode-chat", "@ai-sdk/openai-compatible")
OPENCODE_RESPONSES = Opencode("opencode-responses", "@ai-sdk/openai")
OPENCODE_MESSAGES = Opencode("opencode-messages", "@ai-sdk/anthropic")
AIDER_CHAT = Aider("aider-chat", "openai")
AIDER_MESSAGES = Aider("aider-messages", "anthropic")
AIDER_GEMINI = Aider("aider-gemini", "gemini")
