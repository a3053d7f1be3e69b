"""Ollama's Modelfile of a captioner, whose template renders the prompt of the chat template.

Two FROM lines name the language model and the vision tower. Answers turn worse where a template
differs by a letter from the one that was taught, so it is not written by hand: the processor's chat
template is rendered with marks in place of question, system prompt and answer, and the text between
the marks becomes Ollama's template, which is Go's text/template.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

from oneseed.console.command import UserError
from oneseed.dataset.messages import question_message, text_part

# {model type: what its chat template writes for a picture}; llama.cpp writes it itself, before the
# words of the turn
CHAT_PICTURE_MARKS = dict.fromkeys(
    ("qwen2_vl", "qwen2_5_vl", "qwen3_vl"), "<|vision_start|><|image_pad|><|vision_end|>"
)
# stand for texts while the chat template is rendered; no template holds them
QUESTION_SLOT = "QUESTION-8d1f0c"
SYSTEM_SLOT = "SYSTEM-8d1f0c"
ANSWER_SLOT = "ANSWER-8d1f0c"


class Prompts(NamedTuple):
    """A chat template around the marks."""

    # before the words of the question, where no system prompt is given
    usual: str
    # the same with SYSTEM_SLOT in it, "" where the template takes no system prompt
    with_system: str
    # between the question and the answer
    between: str
    # after the answer
    end: str


def modelfile_text(folder: Path, model_file: str, vision_file: str) -> str:
    """The Modelfile of a checkpoint. UserError where its chat template cannot be told in Go's way.

    model_file, vision_file: names of the GGUF files beside it.
    """
    processor = load_processor(folder)
    prompts = prompts_of(processor, CHAT_PICTURE_MARKS[model_type(folder)])
    template = go_template(prompts)
    if '"""' in template:
        raise UserError(
            f"the chat template of {folder} holds three quotes, which end a Modelfile's; use its "
            "files with llama-server, which reads the chat template itself"
        )
    lines = [
        "# ollama create captioner -f Modelfile; llama-server takes the two files as they are",
        f"FROM ./{model_file}",
        f"FROM ./{vision_file}",
        f'TEMPLATE """{template}"""',
        # greedy, and without the penalty of 1.1 that Ollama would add
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1",
        *(f'PARAMETER stop "{mark}"' for mark in stop_marks(processor, folder)),
    ]
    return "\n".join(lines) + "\n"


def load_processor(folder: Path) -> Any:
    """The checkpoint's processor, from the folder alone; no code beside it is run.

    UserError where the folder has none.
    """
    from transformers import AutoProcessor

    try:
        return AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{folder} has no processor that can be read ({type(error).__name__}): copy the files "
            "of its tokenizer and preprocessor from the checkpoint that it was made of"
        ) from error


def model_type(folder: Path) -> str:
    """The family of a checkpoint, as its config names it."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder, local_files_only=True).model_type


def rendered(processor: Any, messages: list[dict[str, Any]], *, is_open: bool) -> str:
    """The text that the chat template makes. is_open: up to where the answer begins."""
    return processor.apply_chat_template(messages, add_generation_prompt=is_open, tokenize=False)


def prompts_of(processor: Any, picture_mark: str) -> Prompts:
    """A processor's chat template in parts. UserError where it has none, or no such picture.

    picture_mark: what it writes for a picture.
    """
    asked = question_message(QUESTION_SLOT)
    system = {"role": "system", "content": [text_part(SYSTEM_SLOT)]}
    answer = {"role": "assistant", "content": [text_part(ANSWER_SLOT)]}
    try:
        usual, between = parted(rendered(processor, [asked], is_open=True), picture_mark)
        whole = rendered(processor, [asked, answer], is_open=False)
        with_system, _ = parted(rendered(processor, [system, asked], is_open=True), picture_mark)
    except ValueError as error:
        raise UserError(
            f"the checkpoint's chat template cannot become a Modelfile's ({error}); use its files "
            "with llama-server, which reads the chat template itself"
        ) from error
    return Prompts(
        usual,
        with_system if SYSTEM_SLOT in with_system else "",
        between,
        whole.partition(ANSWER_SLOT)[2],
    )


def parted(prompt: str, picture_mark: str) -> tuple[str, str]:
    """A rendered prompt -> what stands before the picture and after the question. ValueError."""
    before, found, after = prompt.partition(picture_mark + QUESTION_SLOT)
    if not found:
        raise ValueError("it does not put the picture right before the question")
    return before, after


def go_template(prompts: Prompts) -> str:
    """The parts as Go's text/template, in Ollama's names."""
    before = literal(prompts.usual)
    if prompts.with_system:
        told = literal(prompts.with_system).replace(SYSTEM_SLOT, "{{ .System }}")
        before = f"{{{{ if .System }}}}{told}{{{{ else }}}}{before}{{{{ end }}}}"
    between = literal(prompts.between)
    return f"{before}{{{{ .Prompt }}}}{between}{{{{ .Response }}}}{literal(prompts.end)}"


def literal(text: str) -> str:
    """A text within a template; braces that would begin an action are written as a string."""
    return re.sub(r"\{\{+", lambda found: f'{{{{ "{found[0]}" }}}}', text)


def stop_marks(processor: Any, folder: Path) -> list[str]:
    """The tokens that end an answer, as the checkpoint's generation settings name them."""
    from transformers import GenerationConfig

    tokenizer = processor.tokenizer
    ends = tokenizer.eos_token_id
    if (folder / "generation_config.json").is_file():
        ends = GenerationConfig.from_pretrained(folder).eos_token_id or ends
    numbers = ends if isinstance(ends, list) else [ends]
    return [tokenizer.convert_ids_to_tokens(number) for number in numbers if number is not None]
