"""What Gemini takes in AI Studio: the messages of a request as its discovery document has them, field by field."""

from __future__ import annotations

from isthmus.simulator.google.proto import Messages, Package

UNIONS = {
    "Part": {
        "data": (
            "text",
            "inlineData",
            "functionCall",
            "functionResponse",
            "fileData",
            "executableCode",
            "codeExecutionResult",
            "toolCall",
            "toolResponse",
        )
    }
}
TASKS = (
    "|TASK_TYPE_UNSPECIFIED|RETRIEVAL_QUERY|RETRIEVAL_DOCUMENT|SEMANTIC_SIMILARITY|CLASSIFICATION|CLUSTERING"
    "|QUESTION_ANSWERING|FACT_VERIFICATION|CODE_RETRIEVAL_QUERY"
)
_MESSAGES: Messages = {
    "GenerateContentRequest": {
        "model": "string",
        "systemInstruction": "Content",
        "contents": "[Content]",
        "tools": "[Tool]",
        "toolConfig": "ToolConfig",
        "safetySettings": "[SafetySetting]",
        "generationConfig": "GenerationConfig",
        "cachedContent": "string",
        "serviceTier": "|unspecified|standard|flex|priority",
        "store": "bool",
    },
    "CountTokensRequest": {
        "contents": "[Content]",
        "generateContentRequest": "GenerateContentRequest",
    },
    "BatchEmbedContentsRequest": {
        "requests": "[EmbedContentRequest]",
    },
    "EmbedContentRequest": {
        "model": "string",
        "content": "Content",
        "taskType": TASKS,
        "title": "string",
        "outputDimensionality": "int32",
        "embedContentConfig": "EmbedContentConfig",
    },
    "EmbedContentConfig": {
        "title": "string",
        "taskType": TASKS,
        "autoTruncate": "bool",
        "outputDimensionality": "int32",
        "documentOcr": "bool",
        "audioTrackExtraction": "bool",
    },
    "Content": {
        "parts": "[Part]",
        "role": "string",
    },
    "Tool": {
        "functionDeclarations": "[FunctionDeclaration]",
        "googleSearchRetrieval": "GoogleSearchRetrieval",
        "codeExecution": "CodeExecution",
        "googleSearch": "GoogleSearch",
        "computerUse": "ComputerUse",
        "urlContext": "UrlContext",
        "fileSearch": "FileSearch",
        "mcpServers": "[McpServer]",
        "googleMaps": "GoogleMaps",
    },
    "ToolConfig": {
        "functionCallingConfig": "FunctionCallingConfig",
        "retrievalConfig": "RetrievalConfig",
        "includeServerSideToolInvocations": "bool",
    },
    "SafetySetting": {
        "category": (
            "|HARM_CATEGORY_UNSPECIFIED|HARM_CATEGORY_DEROGATORY|HARM_CATEGORY_TOXICITY"
            "|HARM_CATEGORY_VIOLENCE|HARM_CATEGORY_SEXUAL|HARM_CATEGORY_MEDICAL"
            "|HARM_CATEGORY_DANGEROUS|HARM_CATEGORY_HARASSMENT|HARM_CATEGORY_HATE_SPEECH"
            "|HARM_CATEGORY_SEXUALLY_EXPLICIT|HARM_CATEGORY_DANGEROUS_CONTENT"
            "|HARM_CATEGORY_CIVIC_INTEGRITY"
        ),
        "threshold": (
            "|HARM_BLOCK_THRESHOLD_UNSPECIFIED|BLOCK_LOW_AND_ABOVE|BLOCK_MEDIUM_AND_ABOVE"
            "|BLOCK_ONLY_HIGH|BLOCK_NONE|OFF"
        ),
    },
    "GenerationConfig": {
        "candidateCount": "int32",
        "stopSequences": "[string]",
        "maxOutputTokens": "int32",
        "temperature": "float",
        "topP": "float",
        "topK": "int32",
        "seed": "int32",
        "responseMimeType": "string",
        "responseSchema": "Schema",
        "_responseJsonSchema": "any",
        "responseJsonSchema": "any",
        "presencePenalty": "float",
        "frequencyPenalty": "float",
        "responseLogprobs": "bool",
        "logprobs": "int32",
        "enableEnhancedCivicAnswers": "bool",
        "responseModalities": "[|MODALITY_UNSPECIFIED|TEXT|IMAGE|AUDIO]",
        "speechConfig": "SpeechConfig",
        "thinkingConfig": "ThinkingConfig",
        "imageConfig": "ImageConfig",
        "mediaResolution": (
            "|MEDIA_RESOLUTION_UNSPECIFIED|MEDIA_RESOLUTION_LOW|MEDIA_RESOLUTION_MEDIUM|MEDIA_RESOLUTION_HIGH"
        ),
        "responseFormat": "ResponseFormatConfig",
    },
    "Part": {
        "text": "string",
        "inlineData": "Blob",
        "functionCall": "FunctionCall",
        "functionResponse": "FunctionResponse",
        "fileData": "FileData",
        "executableCode": "ExecutableCode",
        "codeExecutionResult": "CodeExecutionResult",
        "toolCall": "ToolCall",
        "toolResponse": "ToolResponse",
        "videoMetadata": "VideoMetadata",
        "thought": "bool",
        "thoughtSignature": "bytes",
        "partMetadata": "struct",
        "mediaResolution": "MediaResolution",
    },
    "FunctionDeclaration": {
        "name": "string",
        "description": "string",
        "parameters": "Schema",
        "parametersJsonSchema": "any",
        "response": "Schema",
        "responseJsonSchema": "any",
        "behavior": "|UNSPECIFIED|BLOCKING|NON_BLOCKING",
    },
    "GoogleSearchRetrieval": {
        "dynamicRetrievalConfig": "DynamicRetrievalConfig",
    },
    "CodeExecution": {},
    "GoogleSearch": {
        "timeRangeFilter": "Interval",
        "searchTypes": "SearchTypes",
    },
    "ComputerUse": {
        "environment": "|ENVIRONMENT_UNSPECIFIED|ENVIRONMENT_BROWSER",
        "excludedPredefinedFunctions": "[string]",
    },
    "UrlContext": {},
    "FileSearch": {
        "fileSearchStoreNames": "[string]",
        "topK": "int32",
        "metadataFilter": "string",
    },
    "McpServer": {
        "streamableHttpTransport": "StreamableHttpTransport",
        "name": "string",
    },
    "GoogleMaps": {
        "enableWidget": "bool",
    },
    "FunctionCallingConfig": {
        "mode": "|MODE_UNSPECIFIED|AUTO|ANY|NONE|VALIDATED",
        "allowedFunctionNames": "[string]",
    },
    "RetrievalConfig": {
        "latLng": "LatLng",
        "languageCode": "string",
    },
    "Schema": {
        "type": "|TYPE_UNSPECIFIED|STRING|NUMBER|INTEGER|BOOLEAN|ARRAY|OBJECT|NULL",
        "format": "string",
        "title": "string",
        "description": "string",
        "nullable": "bool",
        "enum": "[string]",
        "items": "Schema",
        "maxItems": "int64",
        "minItems": "int64",
        "properties": "{Schema}",
        "required": "[string]",
        "minProperties": "int64",
        "maxProperties": "int64",
        "minimum": "float",
        "maximum": "float",
        "minLength": "int64",
        "maxLength": "int64",
        "pattern": "string",
        "example": "any",
        "anyOf": "[Schema]",
        "propertyOrdering": "[string]",
        "default": "any",
    },
    "SpeechConfig": {
        "voiceConfig": "VoiceConfig",
        "multiSpeakerVoiceConfig": "MultiSpeakerVoiceConfig",
        "languageCode": "string",
    },
    "ThinkingConfig": {
        "includeThoughts": "bool",
        "thinkingBudget": "int32",
        "thinkingLevel": "|THINKING_LEVEL_UNSPECIFIED|MINIMAL|LOW|MEDIUM|HIGH",
    },
    "ImageConfig": {
        "aspectRatio": "string",
        "imageSize": "string",
    },
    "ResponseFormatConfig": {
        "text": "TextResponseFormat",
        "audio": "AudioResponseFormat",
        "image": "ImageResponseFormat",
    },
    "Blob": {
        "mimeType": "string",
        "data": "bytes",
    },
    "FunctionCall": {
        "id": "string",
        "name": "string",
        "args": "struct",
    },
    "FunctionResponse": {
        "id": "string",
        "name": "string",
        "response": "struct",
        "parts": "[FunctionResponsePart]",
        "willContinue": "bool",
        "scheduling": "|SCHEDULING_UNSPECIFIED|SILENT|WHEN_IDLE|INTERRUPT",
    },
    "FileData": {
        "mimeType": "string",
        "fileUri": "string",
    },
    "ExecutableCode": {
        "id": "string",
        "language": "|LANGUAGE_UNSPECIFIED|PYTHON",
        "code": "string",
    },
    "CodeExecutionResult": {
        "id": "string",
        "outcome": "|OUTCOME_UNSPECIFIED|OUTCOME_OK|OUTCOME_FAILED|OUTCOME_DEADLINE_EXCEEDED",
        "output": "string",
    },
    "ToolCall": {
        "id": "string",
        "toolType": (
            "|TOOL_TYPE_UNSPECIFIED|GOOGLE_SEARCH_WEB|GOOGLE_SEARCH_IMAGE|URL_CONTEXT|GOOGLE_MAPS|FILE_SEARCH"
        ),
        "args": "struct",
    },
    "ToolResponse": {
        "id": "string",
        "toolType": (
            "|TOOL_TYPE_UNSPECIFIED|GOOGLE_SEARCH_WEB|GOOGLE_SEARCH_IMAGE|URL_CONTEXT|GOOGLE_MAPS|FILE_SEARCH"
        ),
        "response": "struct",
    },
    "VideoMetadata": {
        "startOffset": "duration",
        "endOffset": "duration",
        "fps": "float",
    },
    "DynamicRetrievalConfig": {
        "mode": "|MODE_UNSPECIFIED|MODE_DYNAMIC",
        "dynamicThreshold": "float",
    },
    "Interval": {
        "startTime": "timestamp",
        "endTime": "timestamp",
    },
    "SearchTypes": {
        "webSearch": "WebSearch",
        "imageSearch": "ImageSearch",
    },
    "StreamableHttpTransport": {
        "url": "string",
        "headers": "{string}",
        "timeout": "duration",
        "sseReadTimeout": "duration",
        "terminateOnClose": "bool",
    },
    "LatLng": {
        "latitude": "float",
        "longitude": "float",
    },
    "VoiceConfig": {
        "prebuiltVoiceConfig": "PrebuiltVoiceConfig",
    },
    "MultiSpeakerVoiceConfig": {
        "speakerVoiceConfigs": "[SpeakerVoiceConfig]",
    },
    "TextResponseFormat": {
        "mimeType": "|MIME_TYPE_UNSPECIFIED|APPLICATION_JSON|TEXT_PLAIN",
        "schema": "any",
    },
    "AudioResponseFormat": {
        "mimeType": ("|MIME_TYPE_UNSPECIFIED|AUDIO_MP3|AUDIO_OGG_OPUS|AUDIO_L16|AUDIO_WAV|AUDIO_ALAW|AUDIO_MULAW"),
        "delivery": "|DELIVERY_UNSPECIFIED|INLINE|URI",
        "sampleRate": "int32",
        "bitRate": "int32",
    },
    "ImageResponseFormat": {
        "mimeType": "|MIME_TYPE_UNSPECIFIED|IMAGE_JPEG",
        "delivery": "|DELIVERY_UNSPECIFIED|INLINE|URI",
        "aspectRatio": (
            "|ASPECT_RATIO_UNSPECIFIED|ASPECT_RATIO_ONE_BY_ONE|ASPECT_RATIO_TWO_BY_THREE"
            "|ASPECT_RATIO_THREE_BY_TWO|ASPECT_RATIO_THREE_BY_FOUR|ASPECT_RATIO_FOUR_BY_THREE"
            "|ASPECT_RATIO_FOUR_BY_FIVE|ASPECT_RATIO_FIVE_BY_FOUR|ASPECT_RATIO_NINE_BY_SIXTEEN"
            "|ASPECT_RATIO_SIXTEEN_BY_NINE|ASPECT_RATIO_TWENTY_ONE_BY_NINE|ASPECT_RATIO_ONE_BY_EIGHT"
            "|ASPECT_RATIO_EIGHT_BY_ONE|ASPECT_RATIO_ONE_BY_FOUR|ASPECT_RATIO_FOUR_BY_ONE"
        ),
        "imageSize": (
            "|IMAGE_SIZE_UNSPECIFIED|IMAGE_SIZE_FIVE_TWELVE|IMAGE_SIZE_ONE_K|IMAGE_SIZE_TWO_K|IMAGE_SIZE_FOUR_K"
        ),
    },
    "FunctionResponsePart": {
        "inlineData": "FunctionResponseBlob",
    },
    "WebSearch": {},
    "ImageSearch": {},
    "PrebuiltVoiceConfig": {
        "voiceName": "string",
    },
    "SpeakerVoiceConfig": {
        "speaker": "string",
        "voiceConfig": "VoiceConfig",
    },
    "FunctionResponseBlob": {
        "mimeType": "string",
        "data": "bytes",
    },
    "MediaResolution": {
        "level": (
            "|MEDIA_RESOLUTION_UNSPECIFIED|MEDIA_RESOLUTION_LOW|MEDIA_RESOLUTION_MEDIUM"
            "|MEDIA_RESOLUTION_HIGH|MEDIA_RESOLUTION_ULTRA_HIGH"
        ),
    },
}
STUDIO = Package(url="google.ai.generativelanguage.v1beta", messages=_MESSAGES, unions=UNIONS)
