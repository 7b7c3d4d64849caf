"""The rules of Converse that no shape can say and that hold for every model, but for those of a conversation (`turns`):
one member of each union, documents, pictures, tools, JSON documents, what a model does not take at all.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from isthmus.simulator.bedrock import request as shapes
from isthmus.simulator.bedrock.request import ConverseRequest, CountedRequest, set_members
from isthmus.simulator.bedrock.vendor import refused
from isthmus.simulator.exchange import Rejection
from isthmus.simulator.models import Model
from isthmus.simulator.shape import Strict, flaw_in_schema, looseness_in_schema

MOST_IMAGES = 20
MOST_DOCUMENTS = 5
_DOCUMENT_NAME = re.compile(r"[A-Za-z0-9_()\[\]-]*( [A-Za-z0-9_()\[\]-]+)* ?")  # an underscore is taken, if not listed
_POINTER = re.compile(r"(/([^/~]|~[01])*)+")
_UNIONS = (
    shapes.ContentBlock,
    shapes.ToolResultContentBlock,
    shapes.SystemContentBlock,
    shapes.BytesOrS3,
    shapes.GuardrailBytes,
    shapes.GuardrailConverseContentBlock,
    shapes.ReasoningContentBlock,
    shapes.CitationLocation,
    shapes.Tool,
    shapes.ToolInputSchema,
    shapes.ToolChoice,
    shapes.OutputFormatStructure,
    shapes.TextOnly,
)
_SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "gif": b"GIF8", "webp": b"RIFF"}

Place = str


def check(request: CountedRequest, model: Model) -> None:
    """Raises `Rejection`."""
    for where, part in _parts(request, ""):
        if isinstance(part, _UNIONS):
            _check_union(where, part)
        if isinstance(part, shapes.ImageBlock | shapes.GuardrailConverseImageBlock):
            _check_image(where, part)
        elif isinstance(part, shapes.DocumentBlock):
            _check_document(where, part)
        elif isinstance(part, shapes.ToolUseBlock) and not isinstance(part.input, dict):
            raise refused(_no_object(f"{where}.input"))
        elif isinstance(part, shapes.ToolResultContentBlock) and not isinstance(part.json, dict | None):
            raise refused(_no_object(f"{where}.json"))
        elif isinstance(part, shapes.ReasoningContentBlock) and part.redactedContent is not None:
            decoded(f"{where}.redactedContent", part.redactedContent)
    _check_tools(request.toolConfig)
    _check_supported(request, model)
    if request.additionalModelRequestFields is not None and not isinstance(request.additionalModelRequestFields, dict):
        raise refused(_no_object("additionalModelRequestFields"))


def check_answerable(request: ConverseRequest, model: Model) -> None:
    config = request.inferenceConfig
    if config is not None and config.maxTokens is not None and config.maxTokens > model.max_output_tokens:
        most = model.max_output_tokens
        raise refused(
            f"The maximum tokens you requested exceeds the model limit of {most}. Try again with a maximum tokens "
            f"value that is lower than {most}."
        )
    if request.promptVariables is not None:
        raise refused("The promptVariables field can only be used with a prompt resource. Remove promptVariables.")
    for pointer in request.additionalModelResponseFieldPaths or ():
        if not _POINTER.fullmatch(pointer):
            raise refused(f"The additionalModelResponseFieldPaths value '{pointer}' is not a valid JSON Pointer.")
    guardrail = request.guardrailConfig
    if guardrail is not None and not (guardrail.guardrailIdentifier and guardrail.guardrailVersion):
        raise refused("guardrailIdentifier and guardrailVersion must both be given in guardrailConfig.")
    performance = request.performanceConfig
    if performance is not None and performance.latency == "optimized" and not model.name.startswith("amazon.nova-pro"):
        raise refused("Latency performance configuration is not supported for the provided model")
    output_schema(request)


def output_schema(request: ConverseRequest) -> dict[str, Any] | None:
    """The JSON schema that the answer must satisfy; it is given as a text."""
    wanted = request.outputConfig.textFormat if request.outputConfig is not None else None
    if wanted is None or wanted.structure.jsonSchema is None:
        return None
    try:
        schema = msgspec.json.decode(wanted.structure.jsonSchema.schema)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise refused(f"outputConfig.textFormat.structure.jsonSchema.schema is no JSON: {error}") from error
    if not isinstance(schema, dict):
        raise refused(_no_object("outputConfig.textFormat.structure.jsonSchema.schema"))
    if flaw := flaw_in_schema(schema) or looseness_in_schema(schema, every_property=False):
        raise refused(f"The model returned the following errors: output_config.format.schema: {flaw}")
    return schema


def _parts(value: Any, where: Place) -> Iterator[tuple[Place, Any]]:
    """Each structure within, outermost first, and where it is; what JSON documents hold is not looked into."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _parts(item, f"{where}.{index}")
    elif isinstance(value, Strict):
        yield where, value
        for name in value.__struct_fields__:
            yield from _parts(getattr(value, name), f"{where}.{name}" if where else name)


def _check_union(where: Place, union: Strict) -> None:
    given = set_members(union)
    if len(given) == 1:
        return
    verb = "can only set" if given else "must set"
    keys = ", ".join(union.__struct_fields__)
    raise refused(f"{type(union).__name__} object at {where} {verb} one of the following keys: {keys}.")


def decoded(where: Place, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejection(f"Invalid base64 at {where}: {error}", kind="SerializationException") from error


def _check_image(where: Place, image: shapes.ImageBlock | shapes.GuardrailConverseImageBlock) -> None:
    if getattr(image.source, "s3Location", None) is not None:
        raise refused(f"This model doesn't support the {where}.source.s3Location field. Remove it and try again.")
    data = decoded(f"{where}.source.bytes", image.source.bytes or "")
    if not data.startswith(_SIGNATURES[image.format]):
        raise refused("The model returned the following errors: Could not process image")


def _check_document(where: Place, document: shapes.DocumentBlock) -> None:
    if not _DOCUMENT_NAME.fullmatch(document.name):
        raise refused(
            "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, "
            "parentheses, and square brackets. The name can't contain more than one consecutive whitespace character. "
            "Check that the file name conforms to these restrictions and retry your request."
        )
    source = document.source
    if source.s3Location is not None:
        raise refused(f"This model doesn't support the {where}.source.s3Location field. Remove it and try again.")
    if source.bytes is None:
        return
    if document.format is None:
        raise refused(f"The format field at {where} must be set when the document is given as bytes.")
    data = decoded(f"{where}.source.bytes", source.bytes)
    if document.format == "pdf" and not data.startswith(b"%PDF-"):
        raise refused("The model returned the following errors: The PDF specified was not valid.")


def _check_tools(config: shapes.ToolConfiguration | None) -> None:
    if config is None:
        return
    specs = [(index, tool.toolSpec) for index, tool in enumerate(config.tools) if tool.toolSpec is not None]
    if config.tools[0].cachePoint is not None:
        raise refused("A cachePoint at toolConfig.tools.0 has no tool before it.")
    for index, spec in specs:
        where = f"toolConfig.tools.{index}.toolSpec.inputSchema.json"
        schema = spec.inputSchema.json
        if not isinstance(schema, dict):
            raise refused(_no_object(where))
        if schema.get("type") != "object":
            raise refused(f"The value at {where}.type must be one of the following: object.")
    names = [spec.name for _, spec in specs]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise refused(f"The toolConfig field has more than one tool named {repeated[0]}.")
    chosen = config.toolChoice.tool if config.toolChoice is not None else None
    if chosen is not None and chosen.name not in names:
        raise refused(f"The model returned the following errors: Tool '{chosen.name}' not found in provided tools")


def _check_supported(request: CountedRequest, model: Model) -> None:
    """What is part of Converse but not of this model."""
    fields: list[str] = []
    for message in request.messages or ():
        for block in message.content:
            fields += [name for name in ("video", "audio", "toolAddition", "toolRemoval") if getattr(block, name)]
            if block.toolResult is not None:
                fields += ["video" for part in block.toolResult.content if part.video is not None]
            if not model.takes_images and (block.image is not None or block.document is not None):
                fields.append("image" if block.image is not None else "document")
        if message.role == "system":
            fields.append("system role")
    if request.toolConfig is not None:
        fields += ["systemTool" for tool in request.toolConfig.tools if tool.systemTool is not None]
    if fields:
        raise refused(f"This model doesn't support the {fields[0]} field. Remove {fields[0]} and try again.")


def _no_object(where: Place) -> str:
    return (
        f"The format of the value at {where.removeprefix('.')} is invalid. Provide a json object for the field and "
        "try again."
    )
