"""Whatever a captioner puts around its code, the caption is the code, letter by letter."""

import json
from pathlib import Path

import pytest

from oneseed.captioning.answers import Said, read_answer
from oneseed.captioning.code_answers import code_in
from oneseed.captioning.jobs import Caption, CaptionJob, NoCaption
from tests.nasty import NASTY
from tests.stopwatch import within

SHORT = "<h1>Log in</h1>"
LONG = '<form>\n  <s>old</s> <b>new</b>\n\n  <object data="a"></object>\n</form>'
JOB = CaptionJob(
    {"id": "1", "filename": "1.png", "style": "forms", "caption_kind": "code"},
    Path("1.png"),
    "a picture of",
)


def read_code_of(content, ended_by="stop"):
    return read_answer(JOB, Said(content, ended_by))


# how an answer is written around CODE
AROUND_CODE = {
    "thoughts": "<think>A form.</think>CODE",
    # boxes and tags
    "box": "<|begin_of_box|>CODE<|end_of_box|>",
    "box on lines": "<|begin_of_box|>\nCODE\n<|end_of_box|>",
    "answer": "<answer>CODE</answer>",
    "answer on lines": "<answer>\nCODE\n</answer>\n",
    "answer behind words": "Here it is: <answer>CODE</answer>",
    "cut answer": "<answer>CODE",
    "fence in an answer": "<answer>```html\nCODE\n```</answer>",
    "fence in a box": "<|begin_of_box|>```html\nCODE\n```<|end_of_box|>",
    # tokens
    "end of turn": "CODE<|im_end|>",
    "turn": "<|im_start|>assistant\nCODE<|im_end|>",
    "header": "<|start_header_id|>assistant<|end_header_id|>\n\nCODE<|eot_id|>",
    "sentence marks": "<s>CODE</s>",
    "sentence marks and padding": "<s> CODE</s><pad><pad>",
    "end mark": "CODE</s>",
    "begin mark": "<s>CODE",
    # labels
    "bold label": "**Code:**\nCODE",
    "bold label, colon outside": "**HTML code**:\n\nCODE",
    "here": "Here is the code:\n\nCODE",
    "sure, here": "Sure! Here’s the HTML for this form:\n\nCODE",
    "the code": "The code shown in this picture is:\nCODE",
    "label": "Code:\nCODE",
    "language as label": "HTML:\n\nCODE",
    "two labels": "Here is the code:\n\n**HTML:**\nCODE",
    # fences
    "fence": "```\nCODE\n```",
    "named fence": "```html\nCODE\n```",
    "other fence": "~~~html\nCODE\n~~~",
    "long fence": "````html\nCODE\n````",
    "blank before the name": "``` html\nCODE\n```",
    "attribute": '```html title="a.html"\nCODE\n```',
    "braces": "```{.html}\nCODE\n```",
    "fence behind words": "Here: ```html\nCODE\n```\nEnjoy!",
    "indented end": "```html\nCODE\n  ```",
    "end in the last line": "```html\nCODE```",
    "begin in the first line": "```CODE\n```",
    "name and code in the first line": "```html CODE\n```",
    "cut fence": "```html\nCODE",
    "plan before": "```\nform\n```\n\n```html\nCODE\n```",
    "plan before, no name": "```\nform\n```\n\n```\nCODE\n```",
    "text behind": "```html\nCODE\n```\n```text\nform\n```",
    "how to open it": "```html\nCODE\n```\nOpen it:\n```bash\nopen a.html\n```",
}


@pytest.mark.parametrize("code", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("kind", AROUND_CODE)
def test_the_caption_of_code_is_the_code_alone(kind, code):
    """Boxes, tokens, labels and most fences stood in captions of code, and were trained on."""
    found = read_code_of(AROUND_CODE[kind].replace("CODE", code))
    assert isinstance(found, Caption), found
    assert found.text == code


@pytest.mark.parametrize("code", [SHORT, LONG], ids=["short", "long"])
def test_a_fence_goes_whatever_its_line_ends_and_indentation(code):
    """It was searched before line ends became one kind, and its end at the beginning of a line."""
    fenced = f"```html\n{code}\n```"
    assert code_in(fenced.replace("\n", "\r\n")) == code
    assert code_in("\n".join(f"  {line}" for line in fenced.split("\n"))) == code


@pytest.mark.parametrize(
    "answer, code",
    [
        (f"```{SHORT}```", SHORT),
        (f"```html {SHORT}```", SHORT),
        (f"Here: ```{SHORT}```\n\nEnjoy!", SHORT),
        (f"~~~{SHORT}~~~", SHORT),
        (f"`{SHORT}`", SHORT),
        ("```SELECT 1```", "SELECT 1"),
        ("```sql SELECT 1```", "SELECT 1"),
        ("```x = `a` ```", "x = `a`"),
    ],
)
def test_a_fence_of_one_line_goes_with_the_name_of_its_language(answer, code):
    """A fence needed two line ends: those of one line stayed in the caption."""
    assert code_in(answer) == code


@pytest.mark.parametrize("code", [SHORT, LONG], ids=["short", "long"])
def test_json_that_names_the_code_is_not_the_code(code):
    """A server that answers in JSON gave captions of one line, with \\n for its line ends."""
    assert code_in(json.dumps({"code": code})) == code
    assert code_in(json.dumps({"Language": "html", "code": code}, indent=1)) == code
    assert code_in(f"```json\n{json.dumps({'code': code})}\n```") == code
    assert code_in(json.dumps({"code": f"```html\n{code}\n```"})) == code


OWN = [
    *NASTY,
    # HTML's, which strikes out words
    "<s>12</s> <b>9</b>",
    "<s>a</s> or <s>b</s>",
    "<p><s>12</s></p>",
    "now <s>12</s>",
    "<object>1</object>",
    "<image><url>x</url></image>",
    "<quiz>\n<answer>4</answer>\n</quiz>",
    # JSON
    '{"code": "US"}',
    '{"code": "a b", "name": "x"}',
    '{"answer": "4 x"}',
    "{}",
    "[None]",
    # YAML
    "model:\n  name: x",
    "Code:\n  a: 1",
    "code:\n  mov a, b",
    # others
    "let f = a <| x |> g",
    't = "<|im_end|>"',
    'def f():\n    """Use ```x``` so"""\n',
    "x = `a ${b}`",
    "# Code:\nx = 1",
    "OK, 1\nno, 2\n",
    "  x\n",
    "42",
]


@pytest.mark.parametrize("code", OWN)
def test_what_reads_like_a_mark_within_code_stays(code):
    found = read_code_of(code)
    assert isinstance(found, Caption), found
    assert found.text == code


@pytest.mark.parametrize("answer", ["None", "```\nNone\n```", "**N/A**", "null", "", "<think>a"])
def test_words_for_nothing_are_no_code(answer):
    """ "None" became the caption of a picture of code."""
    found = read_code_of(answer)
    assert isinstance(found, NoCaption), found


@pytest.mark.parametrize(
    "part",
    [
        *("<s>", "</s>", "```", "```\n", "~~~ a\n", "`", "<answer>", "\n", "<|im_end|>", "<pad>x"),
        *("Here is ", "Code:\n", "**Code:**\n", "The code ", '{"code":', "<|begin_of_box|>"),
    ],
)
def test_a_long_answer_of_code_is_read_at_once(part):
    """What a model repeats without an end is read by patterns that go over it once."""
    with within(2):
        read_code_of(part * 5_000)
