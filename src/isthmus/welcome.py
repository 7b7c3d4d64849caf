"""The first minute: asks the local model one question through the gateway, and prints one `curl` for each endpoint."""

from __future__ import annotations

import msgspec

from isthmus.app import Running
from isthmus.errors import GatewayError
from isthmus.local.embedding import NAME as EMBEDDING_MODEL
from isthmus.transport.http import HttpTransport
from isthmus.transport.protocol import UpstreamRequest

MODEL = "@cf/huggingface/smollm2-135m-instruct"
QUESTION = "What is the capital of France? Answer in one sentence."


async def welcome(running: Running) -> None:
    base = f"{running.base_url}/client/v4/accounts/{running.account_id}"
    token = running.api_token
    if token is None:
        print(f"\nServing at {base} until Ctrl-C. Its tokens are not kept here: use one of yours.", flush=True)
        return
    print(f"\nAsking {MODEL}: {QUESTION}", flush=True)
    print(f"  {await _answer(base, token)}\n", flush=True)
    print(f"Base URL    {base}")
    print(f"  OpenAI    {base}/ai/v1")
    print(f"  Anthropic {base}/ai")
    print(f"  Google    {base}/ai")
    print(f"Account id  {running.account_id}")
    print(f"API token   {token}\n")
    for line in curls(base, token):
        print(line)
    print("\nServing until Ctrl-C.", flush=True)


def curls(base: str, token: str) -> list[str]:
    messages = f'"messages":[{{"role":"user","content":"{QUESTION}"}}]'
    bodies = {
        "run": f'{{"model":"{MODEL}","input":{{{messages}}}}}',
        f"run/{MODEL}": '{"prompt":"Say hello."}',
        "v1/chat/completions": f'{{"model":"{MODEL}",{messages}}}',
        "v1/completions": f'{{"model":"{MODEL}","prompt":"{QUESTION}"}}',
        "v1/responses": f'{{"model":"{MODEL}","input":"{QUESTION}"}}',
        "v1/messages": f'{{"model":"{MODEL}","max_tokens":100,{messages}}}',
        "v1/embeddings": f'{{"model":"{EMBEDDING_MODEL}","input":["{QUESTION}"]}}',
        f"v1beta/models/{MODEL}:generateContent": f'{{"contents":[{{"parts":[{{"text":"{QUESTION}"}}]}}]}}',
    }
    head = f"-H 'authorization: Bearer {token}' -H 'content-type: application/json'"
    return [f"curl {base}/ai/{path} {head} -d '{body}'\n" for path, body in bodies.items()]


async def _answer(base: str, token: str) -> str:
    body = {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}], "temperature": 0}
    transport = HttpTransport()
    try:
        response = await transport.send(
            UpstreamRequest(
                method="POST",
                url=f"{base}/ai/v1/chat/completions",
                headers=((b"authorization", b"Bearer " + token.encode()), (b"content-type", b"application/json")),
                body=msgspec.json.encode(body),
            )
        )
        answer = msgspec.json.decode(b"".join([chunk async for chunk in response.chunks()]))
        await response.aclose()
    except GatewayError as error:
        return f"(no answer: {error.message})"
    finally:
        await transport.aclose()
    if response.status != 200:
        return f"(no answer: {answer['error']['message']})"
    return str(answer["choices"][0]["message"]["content"]).strip()
