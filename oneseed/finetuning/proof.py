"""A GGUF is proved: llama.cpp must answer held-out pictures as transformers does.

    proof = prove(folder, files, questions, max_new_tokens=40)
    print("\n".join(proof.lines()))
    proof.share                         # of equal answers, 0 to 1

Pictures are lost or garbled on the way to GGUF without an error; a proof by texts notices it. Both
sides answer greedily. In f32 all answers should be equal; what rounds weights may tip near ties.
"""

import contextlib
import json
import subprocess
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.messages import Message
from oneseed.finetuning.gguf import (
    GgufFiles,
    last_words,
    require_packages,
    worker_command,
    worker_environment,
)
from oneseed.finetuning.modelfile import load_processor

# seconds until an answer must be there; loading counts as one
ANSWER_PATIENCE = 600.0
# differing answers that are shown
MAX_SHOWN_ANSWERS = 3
# letters of each
MAX_ANSWER_LETTERS = 300


class Question(NamedTuple):
    """What both sides are asked."""

    # PNG files, in the order of their places in the messages
    pictures: Sequence[Path]
    messages: Sequence[Message]


class Answered(NamedTuple):
    """An answer, and how many tokens its prompt has, those of the picture among them."""

    text: str
    prompt_tokens: int


@dataclass(frozen=True)
class Proof:
    """Both sides' answers to the same questions, in their order."""

    questions: Sequence[Question]
    expected: Sequence[Answered]
    found: Sequence[Answered]

    @property
    def equal(self) -> int:
        """How many texts are the same letter by letter."""
        pairs = zip(self.expected, self.found, strict=True)
        return sum(expected.text == found.text for expected, found in pairs)

    @property
    def share(self) -> float:
        """The share of these texts, 0 to 1."""
        return self.equal / len(self.questions)

    def lines(self) -> Iterator[str]:
        """What was found, for the screen, with the first answers that differ."""
        yield (
            f"llama.cpp answers as transformers does: {self.equal:,} of {len(self.questions):,} "
            f"held-out pictures ({self.share:.0%})"
        )
        lengths = [
            (expected.prompt_tokens, found.prompt_tokens)
            for expected, found in zip(self.expected, self.found, strict=True)
        ]
        unequal = [pair for pair in lengths if pair[0] != pair[1]]
        if unequal:
            yield (
                f"  prompts differ in {len(unequal):,} of them, such as {unequal[0][0]} tokens "
                f"against {unequal[0][1]}: the pictures are cut, or the turns written, in "
                "another way"
            )
        shown = 0
        for question, expected, found in zip(self.questions, self.expected, self.found):
            if expected.text != found.text and shown < MAX_SHOWN_ANSWERS:
                shown += 1
                yield f"  {question.pictures[0].name}: {expected.text[:MAX_ANSWER_LETTERS]!r}"
                yield f"    llama.cpp: {found.text[:MAX_ANSWER_LETTERS]!r}"


def prove(
    folder: Path, files: GgufFiles, questions: Sequence[Question], *, max_new_tokens: int
) -> Proof:
    """Asks both sides. folder: the merged checkpoint that the files were made of.

    UserError without xllamacpp, or where llama.cpp cannot load the files or answer.
    """
    assert questions, "a proof needs pictures"
    require_packages({"xllamacpp": "xllamacpp"}, "the proof of a GGUF")
    expected = transformers_answers(folder, questions, max_new_tokens=max_new_tokens)
    context = max(answer.prompt_tokens for answer in expected) + max_new_tokens
    found = llama_answers(
        files,
        questions,
        max_new_tokens=max_new_tokens,
        # llama.cpp keeps some tokens for itself
        context=2 * context + 256,
        limits=picture_limits(folder),
    )
    return Proof(questions, expected, found)


def transformers_answers(
    folder: Path, questions: Sequence[Question], *, max_new_tokens: int
) -> list[Answered]:
    """The greedy answers of the checkpoint in float32, on the CPU, one by one."""
    import torch
    from PIL import Image
    from transformers import AutoModelForImageTextToText

    processor = load_processor(folder)
    model = AutoModelForImageTextToText.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, trust_remote_code=False
    ).eval()
    answers = []
    for question in progress(questions, label="transformers"):
        pictures = []
        for path in question.pictures:
            with Image.open(path) as image:
                pictures.append(image.convert("RGB"))
        text = processor.apply_chat_template(
            question.messages, add_generation_prompt=True, tokenize=False
        )
        inputs = processor(text=[text], images=pictures, return_tensors="pt")
        length = inputs["input_ids"].shape[1]
        with torch.inference_mode():
            tokens = model.generate(  # (1, T)
                **inputs, max_new_tokens=max_new_tokens, do_sample=False, repetition_penalty=1.0
            )
        text = processor.tokenizer.decode(tokens[0, length:], skip_special_tokens=True)
        answers.append(Answered(text, length))
    return answers


def picture_limits(folder: Path) -> tuple[int, int] | None:
    """The fewest and most tokens that the processor makes of a picture; None where it says none.

    llama.cpp has limits of its own, and would scale a small picture up.
    """
    image_processor = load_processor(folder).image_processor
    size = image_processor.size
    side = getattr(image_processor, "patch_size", 0) * getattr(image_processor, "merge_size", 0)
    try:
        fewest, most = size["shortest_edge"], size["longest_edge"]
    except (KeyError, TypeError):
        return None
    if not side:
        return None
    return max(fewest // side**2, 1), max(most // side**2, 1)


def llama_answers(
    files: GgufFiles,
    questions: Sequence[Question],
    *,
    max_new_tokens: int,
    context: int,
    limits: tuple[int, int] | None,
) -> list[Answered]:
    """llama.cpp's greedy answers, from a process of its own.

    context: tokens of the longest prompt and its answer. limits: of picture_limits. UserError where
    there is no answer.
    """
    numbers = [context, *(limits or ())]
    command = worker_command(
        "oneseed.finetuning.llama_worker",
        *(str(path.resolve()) for path in (files.model, files.vision)),
        *map(str, numbers),
    )
    answers = []
    with llama_process(command) as process:
        for question in progress(questions, label="llama.cpp"):
            asked = {
                "pictures": [str(path.resolve()) for path in question.pictures],
                "messages": question.messages,
                "max_new_tokens": max_new_tokens,
            }
            said = ask_llama(process, asked)
            if "error" in said:
                raise UserError(
                    f"llama.cpp cannot answer with {files.model} ({said['error']}); "
                    "export the checkpoint again"
                )
            answers.append(Answered(said["text"], said["prompt_tokens"]))
    return answers


@contextlib.contextmanager
def llama_process(command: list[str]) -> Generator[subprocess.Popen[str]]:
    """Runs the worker; it is gone behind the block, whatever it was doing."""
    process = subprocess.Popen(
        command,
        env=worker_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    # what it prints must be read, or it waits until it is
    noise: list[str] = []
    assert process.stderr is not None, "a pipe was asked for"
    reader = threading.Thread(target=noise.extend, args=(process.stderr,), daemon=True)
    reader.start()
    try:
        yield process
    except BrokenPipeError as error:
        process.kill()
        process.wait()
        reader.join()
        raise UserError(
            f"llama.cpp ended before it answered ({last_words(''.join(noise))}); export the "
            "checkpoint again"
        ) from error
    finally:
        process.kill()
        process.wait()
        reader.join()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                pipe and pipe.close()


def ask_llama(process: subprocess.Popen[str], asked: dict[str, Any]) -> dict[str, Any]:
    """One question to the worker. BrokenPipeError where it ends, or is silent for too long."""
    assert process.stdin is not None, "a pipe was asked for"
    assert process.stdout is not None, "a pipe was asked for"
    watch = threading.Timer(ANSWER_PATIENCE, process.kill)
    watch.start()
    try:
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    finally:
        watch.cancel()
    if not line:
        raise BrokenPipeError("the worker has ended")
    return json.loads(line)
