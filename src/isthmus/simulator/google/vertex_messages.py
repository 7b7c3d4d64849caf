"""What Gemini takes in Vertex AI, where that is not what it takes in AI Studio. Not looked into: what it fetches from
other stores, its routing, its own filters.
"""

from __future__ import annotations

from isthmus.simulator.google.messages import STUDIO, UNIONS
from isthmus.simulator.google.proto import Messages, Package

_OWN: Messages = {
    "GenerateContentRequest": {
        "cachedContent": "string",
        "contents": "[Content]",
        "generationConfig": "GenerationConfig",
        "labels": "{string}",
        "modelArmorConfig": "struct",
        "safetySettings": "[SafetySetting]",
        "systemInstruction": "Content",
        "toolConfig": "ToolConfig",
        "tools": "[Tool]",
    },
    "CountTokensRequest": {
        "contents": "[Content]",
        "generationConfig": "GenerationConfig",
        "instances": "[any]",
        "model": "string",
        "systemInstruction": "Content",
        "tools": "[Tool]",
    },
    "GenerationConfig": {
        "audioTimestamp": "bool",
        "candidateCount": "int32",
        "enableAffectiveDialog": "bool",
        "frequencyPenalty": "float",
        "imageConfig": "ImageConfig",
        "logprobs": "int32",
        "maxOutputTokens": "int32",
        "mediaResolution": (
            "|MEDIA_RESOLUTION_UNSPECIFIED|MEDIA_RESOLUTION_LOW|MEDIA_RESOLUTION_MEDIUM|MEDIA_RESOLUTION_HIGH"
        ),
        "presencePenalty": "float",
        "responseJsonSchema": "any",
        "responseLogprobs": "bool",
        "responseMimeType": "string",
        "responseModalities": "[|MODALITY_UNSPECIFIED|TEXT|IMAGE|AUDIO|VIDEO]",
        "responseSchema": "Schema",
        "routingConfig": "struct",
        "seed": "int32",
        "speechConfig": "SpeechConfig",
        "stopSequences": "[string]",
        "temperature": "float",
        "thinkingConfig": "GenerationConfigThinkingConfig",
        "topK": "float",
        "topP": "float",
    },
    "SafetySetting": {
        "category": (
            "|HARM_CATEGORY_UNSPECIFIED|HARM_CATEGORY_HATE_SPEECH|HARM_CATEGORY_DANGEROUS_CONTENT"
            "|HARM_CATEGORY_HARASSMENT|HARM_CATEGORY_SEXUALLY_EXPLICIT|HARM_CATEGORY_CIVIC_INTEGRITY"
            "|HARM_CATEGORY_IMAGE_HATE|HARM_CATEGORY_IMAGE_DANGEROUS_CONTENT"
            "|HARM_CATEGORY_IMAGE_HARASSMENT|HARM_CATEGORY_IMAGE_SEXUALLY_EXPLICIT"
            "|HARM_CATEGORY_JAILBREAK"
        ),
        "method": "|HARM_BLOCK_METHOD_UNSPECIFIED|SEVERITY|PROBABILITY",
        "threshold": (
            "|HARM_BLOCK_THRESHOLD_UNSPECIFIED|BLOCK_LOW_AND_ABOVE|BLOCK_MEDIUM_AND_ABOVE"
            "|BLOCK_ONLY_HIGH|BLOCK_NONE|OFF"
        ),
    },
    "ToolConfig": {
        "functionCallingConfig": "FunctionCallingConfig",
        "retrievalConfig": "RetrievalConfig",
    },
    "Tool": {
        "codeExecution": "ToolCodeExecution",
        "computerUse": "ToolComputerUse",
        "enterpriseWebSearch": "EnterpriseWebSearch",
        "functionDeclarations": "[FunctionDeclaration]",
        "googleMaps": "GoogleMaps",
        "googleSearch": "ToolGoogleSearch",
        "googleSearchRetrieval": "GoogleSearchRetrieval",
        "parallelAiSearch": "struct",
        "retrieval": "struct",
        "urlContext": "UrlContext",
    },
    "Part": {
        "codeExecutionResult": "CodeExecutionResult",
        "executableCode": "ExecutableCode",
        "fileData": "FileData",
        "functionCall": "FunctionCall",
        "functionResponse": "FunctionResponse",
        "inlineData": "Blob",
        "mediaResolution": "PartMediaResolution",
        "text": "string",
        "thought": "bool",
        "thoughtSignature": "bytes",
        "videoMetadata": "VideoMetadata",
    },
    "ImageConfig": {
        "aspectRatio": "string",
        "imageOutputOptions": "ImageConfigImageOutputOptions",
        "imageSize": "string",
        "personGeneration": "|PERSON_GENERATION_UNSPECIFIED|ALLOW_ALL|ALLOW_ADULT|ALLOW_NONE",
        "prominentPeople": "|PROMINENT_PEOPLE_UNSPECIFIED|ALLOW_PROMINENT_PEOPLE|BLOCK_PROMINENT_PEOPLE",
    },
    "Schema": {
        "additionalProperties": "any",
        "anyOf": "[Schema]",
        "default": "any",
        "defs": "{Schema}",
        "description": "string",
        "enum": "[string]",
        "example": "any",
        "format": "string",
        "items": "Schema",
        "maxItems": "int64",
        "maxLength": "int64",
        "maxProperties": "int64",
        "maximum": "float",
        "minItems": "int64",
        "minLength": "int64",
        "minProperties": "int64",
        "minimum": "float",
        "nullable": "bool",
        "pattern": "string",
        "properties": "{Schema}",
        "propertyOrdering": "[string]",
        "ref": "string",
        "required": "[string]",
        "title": "string",
        "type": "|TYPE_UNSPECIFIED|STRING|NUMBER|INTEGER|BOOLEAN|ARRAY|OBJECT|NULL",
    },
    "GenerationConfigThinkingConfig": {
        "includeThoughts": "bool",
        "thinkingBudget": "int32",
        "thinkingLevel": "|THINKING_LEVEL_UNSPECIFIED|LOW|MEDIUM|HIGH|MINIMAL",
    },
    "FunctionCallingConfig": {
        "allowedFunctionNames": "[string]",
        "mode": "|MODE_UNSPECIFIED|AUTO|ANY|NONE|VALIDATED",
        "streamFunctionCallArguments": "bool",
    },
    "ToolCodeExecution": {},
    "ToolComputerUse": {
        "environment": "|ENVIRONMENT_UNSPECIFIED|ENVIRONMENT_BROWSER",
        "excludedPredefinedFunctions": "[string]",
    },
    "EnterpriseWebSearch": {
        "blockingConfidence": (
            "|PHISH_BLOCK_THRESHOLD_UNSPECIFIED|BLOCK_LOW_AND_ABOVE|BLOCK_MEDIUM_AND_ABOVE"
            "|BLOCK_HIGH_AND_ABOVE|BLOCK_HIGHER_AND_ABOVE|BLOCK_VERY_HIGH_AND_ABOVE"
            "|BLOCK_ONLY_EXTREMELY_HIGH"
        ),
        "excludeDomains": "[string]",
    },
    "ToolGoogleSearch": {
        "blockingConfidence": (
            "|PHISH_BLOCK_THRESHOLD_UNSPECIFIED|BLOCK_LOW_AND_ABOVE|BLOCK_MEDIUM_AND_ABOVE"
            "|BLOCK_HIGH_AND_ABOVE|BLOCK_HIGHER_AND_ABOVE|BLOCK_VERY_HIGH_AND_ABOVE"
            "|BLOCK_ONLY_EXTREMELY_HIGH"
        ),
        "excludeDomains": "[string]",
        "searchTypes": "ToolGoogleSearchSearchTypes",
    },
    "CodeExecutionResult": {
        "outcome": "|OUTCOME_UNSPECIFIED|OUTCOME_OK|OUTCOME_FAILED|OUTCOME_DEADLINE_EXCEEDED",
        "output": "string",
    },
    "ExecutableCode": {
        "code": "string",
        "language": "|LANGUAGE_UNSPECIFIED|PYTHON",
    },
    "FileData": {
        "displayName": "string",
        "fileUri": "string",
        "mimeType": "string",
    },
    "FunctionCall": {
        "args": "struct",
        "name": "string",
        "partialArgs": "[PartialArg]",
        "willContinue": "bool",
    },
    "FunctionResponse": {
        "name": "string",
        "parts": "[FunctionResponsePart]",
        "response": "struct",
        "scheduling": "|SCHEDULING_UNSPECIFIED|SILENT|WHEN_IDLE|INTERRUPT",
    },
    "Blob": {
        "data": "bytes",
        "displayName": "string",
        "mimeType": "string",
    },
    "PartMediaResolution": {
        "level": (
            "|MEDIA_RESOLUTION_UNSPECIFIED|MEDIA_RESOLUTION_LOW|MEDIA_RESOLUTION_MEDIUM"
            "|MEDIA_RESOLUTION_HIGH|MEDIA_RESOLUTION_ULTRA_HIGH"
        ),
    },
    "ImageConfigImageOutputOptions": {
        "compressionQuality": "int32",
        "mimeType": "string",
    },
    "VoiceConfig": {
        "prebuiltVoiceConfig": "PrebuiltVoiceConfig",
        "replicatedVoiceConfig": "ReplicatedVoiceConfig",
    },
    "ToolGoogleSearchSearchTypes": {
        "imageSearch": "ToolGoogleSearchImageSearch",
        "webSearch": "ToolGoogleSearchWebSearch",
    },
    "PartialArg": {
        "boolValue": "bool",
        "jsonPath": "string",
        "nullValue": "|NULL_VALUE",
        "numberValue": "float",
        "stringValue": "string",
        "willContinue": "bool",
    },
    "FunctionResponsePart": {
        "fileData": "FunctionResponseFileData",
        "inlineData": "FunctionResponseBlob",
    },
    "ReplicatedVoiceConfig": {
        "mimeType": "string",
        "voiceSampleAudio": "bytes",
    },
    "ToolGoogleSearchImageSearch": {},
    "ToolGoogleSearchWebSearch": {},
    "FunctionResponseFileData": {
        "displayName": "string",
        "fileUri": "string",
        "mimeType": "string",
    },
    "FunctionResponseBlob": {
        "data": "bytes",
        "displayName": "string",
        "mimeType": "string",
    },
}
VERTEX = Package(
    url="google.cloud.aiplatform.v1",
    prefix="GoogleCloudAiplatformV1",
    messages={**STUDIO.messages, **_OWN},
    unions=UNIONS,
)
