"""llama.cpp in a process of its own: questions on stdin, answers on stdout, a line of JSON each.

    python -m oneseed.finetuning.llama_worker model.gguf mmproj.gguf TOKENS [MIN MAX]

stdin   {"pictures": [paths of PNGs], "messages": [...], "max_new_tokens": 40}
stdout  {"text": "CREATE TABLE …", "prompt_tokens": 54}, or {"error": "…"}

TOKENS: of prompt and answer together. MIN MAX: of a picture, so that both sides cut it alike. The
library's server listens on this machine alone, on a port that the system chooses. Its end may wait
for ever, so the process leaves without one.
"""

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

LOCALHOST = "127.0.0.1"


def start_server(model: str, vision: str, *, tokens: int, picture_tokens: list[int]) -> Any:
    """Loads both files -> xllamacpp's server, which answers on the CPU in one thread a core."""
    import xllamacpp  # ty: ignore[import-not-found]  # an extra

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.mmproj.path = vision
    params.hostnames = [LOCALHOST]
    params.cors_origins = ""
    params.ui = False
    params.n_ctx = tokens
    params.n_parallel = 1
    # a prompt that is kept would be counted as read
    params.cache_prompt = False
    params.mmproj_use_gpu = False
    params.n_gpu_layers = 0
    params.warmup = False
    params.verbosity = 0
    if picture_tokens:
        params.image_min_tokens, params.image_max_tokens = picture_tokens
    return xllamacpp.Server(params)


def answer(server: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """The greedy answer to one question about its pictures."""
    pictures = map(picture_part, asked["pictures"])
    for message in asked["messages"]:
        if isinstance(message["content"], list):
            message["content"] = [
                next(pictures) if part["type"] == "image" else part for part in message["content"]
            ]
    reply = server.handle_chat_completions(
        {
            "messages": asked["messages"],
            "max_tokens": asked["max_new_tokens"],
            "temperature": 0,
            "top_k": 1,
            "repeat_penalty": 1,
            "cache_prompt": False,
        }
    )
    if "choices" not in reply:
        return {"error": str(reply.get("error", reply))[:300]}
    return {
        "text": reply["choices"][0]["message"]["content"] or "",
        "prompt_tokens": reply["usage"]["prompt_tokens"],
    }


def picture_part(path: str) -> dict[str, Any]:
    """A PNG as a part of a message."""
    coded = base64.b64encode(Path(path).read_bytes()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{coded}"}}


def answer_lines(arguments: list[str]) -> None:
    """Answers until stdin ends. What the library prints itself goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    model, vision, tokens, *picture_tokens = arguments
    server = start_server(
        model, vision, tokens=int(tokens), picture_tokens=[int(number) for number in picture_tokens]
    )
    for line in sys.stdin:
        try:
            said = answer(server, json.loads(line))
        except (OSError, ValueError, RuntimeError) as error:
            said = {"error": f"{type(error).__name__}: {error}"[:300]}
        answers.write(json.dumps(said) + "\n")
        answers.flush()


if __name__ == "__main__":
    try:
        answer_lines(sys.argv[1:])
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)
