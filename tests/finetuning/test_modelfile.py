"""Ollama's Modelfile: its template renders what the processor's chat template renders."""

import re

import pytest

from oneseed.console.command import UserError
from oneseed.dataset.messages import question_message
from oneseed.finetuning.modelfile import (
    CHAT_PICTURE_MARKS,
    go_template,
    literal,
    load_processor,
    modelfile_text,
    prompts_of,
)
from tests.finetuning import tiny_qwen

MARK = CHAT_PICTURE_MARKS["qwen2_vl"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qwen")
    processor, _ = tiny_qwen.make_qwen(folder)
    return folder, processor


def test_a_folder_without_a_processor_is_told_in_one_sentence(tmp_path):
    """A checkpoint whose model alone was saved ended in a traceback."""
    with pytest.raises(UserError, match="has no processor that can be read"):
        load_processor(tmp_path)


def read_modelfile(text):
    """A Modelfile as Ollama parses it -> {instruction: values}, in the order of lines."""
    found: dict[str, list[str]] = {}
    pattern = r'^([A-Z]+) +(?:"""(.*?)"""|([^\n]*))$'
    for name, long, short in re.findall(pattern, text, re.MULTILINE | re.DOTALL):
        found.setdefault(name, []).append(long or short)
    return found


def render_go(template, **values):
    """The part of Go's text/template that a Modelfile uses: if, else, end, names, strings."""
    condition = r"\{\{ if \.(\w+) \}\}(.*?)\{\{ else \}\}(.*?)\{\{ end \}\}"

    def chosen(found):
        return found[2] if values.get(found[1]) else found[3]

    text = re.sub(condition, chosen, template, flags=re.DOTALL)
    # what follows the answer is not rendered while one is written
    text = text.partition("{{ .Response }}")[0]
    text = re.sub(r'\{\{ "(\{+)" \}\}', lambda found: found[1], text)
    return re.sub(r"\{\{ \.(\w+) \}\}", lambda found: values[found[1]], text)


@pytest.mark.parametrize("question", ["Which SQL?", 'Two\n  lines, {{ braces }}, """', "é\\n"])
@pytest.mark.parametrize("system", ["", "You write SQL.\nNothing else."])
def test_the_template_renders_the_prompt_that_was_taught(checkpoint, question, system):
    """Where it differs by a letter answers turn worse, and nothing says so."""
    folder, processor = checkpoint
    messages = [question_message(question)]
    if system:
        messages.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
    taught = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    template = read_modelfile(modelfile_text(folder, "a.gguf", "b.gguf"))["TEMPLATE"][0]
    # Ollama puts a picture before the words, and the model's own marks around it
    assert render_go(template, System=system, Prompt=MARK + question) == taught


def test_a_modelfile_names_both_files_and_answers_greedily(checkpoint):
    """With the language model alone Ollama answers, and has never seen the picture."""
    folder, _ = checkpoint
    found = read_modelfile(modelfile_text(folder, "model.gguf", "mmproj.gguf"))
    assert found["FROM"] == ["./model.gguf", "./mmproj.gguf"]
    assert "temperature 0" in found["PARAMETER"]
    assert "repeat_penalty 1" in found["PARAMETER"]
    assert 'stop "<|im_end|>"' in found["PARAMETER"]


def test_what_follows_an_answer_stands_behind_it(checkpoint):
    _, processor = checkpoint
    template = go_template(prompts_of(processor, MARK))
    assert template.endswith("{{ .Response }}<|im_end|>\n")


def test_braces_of_a_chat_template_begin_no_action_of_go():
    assert literal("a {{ b }}") == 'a {{ "{{" }} b }}'
    assert render_go(literal("a {{ b }}{{{")) == "a {{ b }}{{{"


class Processor:
    """A processor with a chat template of its own."""

    def __init__(self, before="", between=""):
        self.before = before
        self.between = between

    def apply_chat_template(self, messages, *, add_generation_prompt, tokenize):
        said = {message["role"]: message["content"][-1]["text"] for message in messages}
        asked = f"{MARK}{self.between}{said['user']}\n"
        return said.get("system", "") + self.before + asked + said.get("assistant", "")


def test_a_template_that_puts_the_picture_elsewhere_is_refused():
    """Ollama puts it right before the words, so the prompt would be another one."""
    assert prompts_of(Processor("user: "), MARK).usual == "user: "
    with pytest.raises(UserError, match="right before the question"):
        prompts_of(Processor(between="\n"), MARK)
