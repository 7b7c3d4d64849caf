"""The rules of a conversation in Gemini: roles, empty turns, what a part may hold, each turn of function calls answered
in the next, thought signatures kept as they were.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from isthmus.simulator.google.errors import GoogleRejection, starred
from isthmus.simulator.google.proto import snake
from isthmus.simulator.google.vendor import Google
from isthmus.simulator.models import Model
from isthmus.simulator.seeds import Seed

_IMAGES = ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif")
_DOCUMENTS = ("application/pdf", "application/json", "application/rtf", "application/x-javascript")
_MEDIA = frozenset({*_IMAGES, *_DOCUMENTS, "application/x-python-code", "application/javascript"})
_FAMILIES = ("audio/", "video/", "text/")
_FILES_API = "https://generativelanguage.googleapis.com/"
# The two words that Google's guide on thought signatures gives for calls which no Gemini model made: as they stand,
# which is base64 as it happens, and encoded once more, as an SDK does to bytes.
_UNSIGNED = frozenset(
    {
        "skip/thought/signature/validator",
        "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",
        "context/engineering/is/the/way/to/go",
        "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv",
    }
)

Content = dict[str, Any]
Part = dict[str, Any]


def check_turns(contents: list[Content], model: Model, google: Google, seed: Seed) -> None:
    """Raises `GoogleRejection`."""
    if not contents:
        raise starred("contents", "contents is not specified")
    for index, content in enumerate(contents):
        _check_role(content, google)
        check_parts(content, f"contents[{index}]", google)
    if len(contents) == 1 and contents[0].get("role") == "model":
        message = "Please ensure that single turn requests end with a user role or the role field is empty."
        raise GoogleRejection(message)
    for index, content in enumerate(contents):
        previous = contents[index - 1] if index else None
        following = contents[index + 1] if index + 1 < len(contents) else None
        _check_calls(content, previous, following)
        _check_results(content, previous)
    _check_signatures(contents, model, google, seed)


def said_by_user(content: Content) -> bool:
    return content.get("role") != "model"


def held(content: Content | None, kind: str) -> list[dict[str, Any]]:
    """The function calls, say, of a turn."""
    return [part[kind] for part in (content or {}).get("parts", ()) if kind in part]


def _check_role(content: Content, google: Google) -> None:
    roles = ("user", "model", "function") if google.is_vertex else (None, "", "user", "model", "function")
    if content.get("role") not in roles:
        raise GoogleRejection("Please use a valid role: user, model.")


def check_parts(content: Content, where: str, google: Google) -> None:
    parts = content.get("parts", ())
    if not parts:
        if google.is_vertex:
            raise GoogleRejection("Unable to submit request because it must include at least one parts field.")
        raise starred(f"{where}.parts", "contents.parts must not be empty.")
    (fields,) = google.package.unions["Part"].values()
    for index, part in enumerate(parts):
        kind = next((field for field in fields if field in part), None)
        if google.is_vertex and (kind is None or (part.get("text") == "" and "thoughtSignature" not in part)):
            raise GoogleRejection("Unable to submit request because it must have a text parameter.")
        if kind is None:
            raise starred(f"{where}.parts[{index}].data", "required oneof field 'data' must have one initialized field")
        _check_part(kind, part[kind], f"{where}.parts[{index}].{snake(kind)}", google)


def _check_part(kind: str, value: Any, where: str, google: Google) -> None:
    if kind in ("functionCall", "functionResponse") and not value.get("name"):
        raise starred(f"{where}.name", "Name cannot be empty.")
    if kind == "inlineData":
        _check_media(value, where)
    elif kind == "fileData":
        _check_file(value, where, google)
    elif kind == "functionResponse":
        for index, part in enumerate(value.get("parts", ())):
            if "inlineData" in part:
                _check_media(part["inlineData"], f"{where}.parts[{index}].inline_data")


def _check_media(blob: dict[str, Any], where: str) -> None:
    kind = str(blob.get("mimeType", "")).partition(";")[0].strip().lower()
    if not kind:
        raise starred(f"{where}.mime_type", "mime_type must be specified")
    if kind not in _MEDIA and not kind.startswith(_FAMILIES):
        raise GoogleRejection(f"Unsupported MIME type: {kind}")
    if not blob.get("data"):
        raise starred(f"{where}.data", "data must not be empty")


def _check_file(file: dict[str, Any], where: str, google: Google) -> None:
    address = file.get("fileUri", "")
    if google.is_vertex and not file.get("mimeType"):
        raise GoogleRejection("Unable to submit request because it must have a mimeType parameter in fileData.")
    if address.startswith(_FILES_API) and not google.is_vertex:
        name = address.rsplit("/", 1)[-1]
        message = f"You do not have permission to access the File {name} or it may not exist."
        raise GoogleRejection(message, status=403)
    if not address.startswith(("https://", "gs://")):
        raise GoogleRejection(f"Invalid or unsupported file uri: {address}")


def _check_calls(content: Content, previous: Content | None, following: Content | None) -> None:
    calls = held(content, "functionCall")
    if not calls:
        return
    if said_by_user(content) or previous is None or not said_by_user(previous):
        raise GoogleRejection(
            "Please ensure that function call turn comes immediately after a user turn or after a function response "
            "turn."
        )
    results = held(following, "functionResponse")
    if len(results) != len(calls):
        raise GoogleRejection(
            "Please ensure that the number of function response parts is equal to the number of function call parts "
            "of the function call turn."
        )
    # Gemini is not known to say more than the above; answers to other functions are refused all the same.
    for name in ("name", "id") if all("id" in result for result in results) else ("name",):
        wanted = Counter(call.get(name) for call in calls)
        if name in calls[0] and wanted != Counter(result.get(name) for result in results):
            raise GoogleRejection(f"Please ensure that the {name} of each function response is that of its call.")


def _check_results(content: Content, previous: Content | None) -> None:
    if not held(content, "functionResponse"):
        return
    if not said_by_user(content) or not held(previous, "functionCall"):
        raise GoogleRejection("Please ensure that function response turn comes immediately after a function call turn.")


def _check_signatures(contents: list[Content], model: Model, google: Google, seed: Seed) -> None:
    """Gemini 3 wants one on the first call of each step since the user last spoke; no model takes a strange one."""
    for content in contents:
        for part in content["parts"]:
            signature = part.get("thoughtSignature")
            if signature is not None and signature not in _UNSIGNED and seed.unseal(signature) is None:
                raise GoogleRejection("Corrupted thought signature.")
    if "level" not in model.thinking:
        return
    spoke = [index for index, content in enumerate(contents) if said_by_user(content) and not _is_result(content)]
    start = spoke[-1] if spoke else 0
    for place, content in enumerate(contents[start:], start + 1):
        first = next((part for part in content["parts"] if "functionCall" in part), None)
        if first is not None and "thoughtSignature" not in first:
            raise _unsigned(first["functionCall"]["name"], place, google)


def _is_result(content: Content) -> bool:
    return all("functionResponse" in part for part in content["parts"])


def _unsigned(name: str, place: int, google: Google) -> GoogleRejection:
    if google.is_vertex:
        return GoogleRejection(
            f"Unable to submit request because function call `{name}` in the {place}. content block is missing a "
            "`thought_signature`. Learn more: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/"
            "thought-signatures"
        )
    return GoogleRejection(
        "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
        "correctly, and missing thought_signature may lead to degraded model performance. Additional data, function "
        f"call `default_api:{name}` , position {place}. Please refer to "
        "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
    )
