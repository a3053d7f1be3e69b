"""Whatever a captioner puts around its sentence, the caption is the sentence, or there is none."""

import json
from pathlib import Path

import pytest

from oneseed.captioning.answers import Said, read_answer
from oneseed.captioning.jobs import Caption, CaptionJob, NoCaption
from tests.stopwatch import within

GOOD = "An engraving of a castle on a hill"
JOB = CaptionJob(
    {"id": "1", "filename": "1.png", "style": "engraving"}, Path("1.png"), "an engraving of"
)


def read(content, ended_by="stop", **more):
    return read_answer(JOB, Said(content, ended_by, **more))


AROUND = {
    # thoughts
    "thoughts": f"<think>\nA castle? Yes.\n</think>\n\n{GOOD}",
    "thoughts that begin in the prompt": f"It is a castle. One sentence.\n</think>\n\n{GOOD}",
    "thoughts in one line": f"a castle</think>{GOOD}",
    "a caption drafted in thoughts": f"<think>An engraving of a tower? No.</think>{GOOD}",
    "thinking": f"<thinking>A castle.</thinking>\n{GOOD}",
    "capitals": f"<THINK>A castle.</THINK>\n{GOOD}",
    "two thoughts": f"<think>a</think><think>b</think>{GOOD}",
    "thoughts within thoughts": f"<think>a <think>b</think> c</think>{GOOD}",
    "thoughts behind": f"{GOOD}\n<think>That was good.",
    "reasoning": f"<reasoning>A castle.</reasoning>{GOOD}",
    "prefixed": f"<seed:think>A castle.</seed:think>{GOOD}",
    "brackets": f"[THINK]A castle.[/THINK]{GOOD}",
    "triangles": f"◁think▷A castle.◁/think▷{GOOD}",
    "long marks": "<|begin_of_thought|>A castle.<|end_of_thought|>\n"
    f"<|begin_of_solution|>{GOOD}<|end_of_solution|>",
    "shouted marks": "<|START_THINKING|>A.<|END_THINKING|>"
    f"<|START_RESPONSE|>{GOOD}<|END_RESPONSE|>",
    "unused tokens": f"<unused94>thought\nA castle.<unused95>{GOOD}",
    "labelled thoughts": f"**Reasoning:** It is a castle.\n\n**Final answer:** {GOOD}",
    # channels
    "channels": "<|channel|>analysis<|message|>We need one sentence.<|end|>"
    f"<|start|>assistant<|channel|>final<|message|>{GOOD}<|return|>",
    "the last channel alone": f"<|channel|>final<|message|>{GOOD}",
    "channels without marks": f"analysisWe need one sentence.assistantfinal{GOOD}",
    "another mark of channels": f"<|channel>thought\nA castle.<channel|>{GOOD}",
    # boxes and tags
    "box": f"<|begin_of_box|>{GOOD}<|end_of_box|>",
    "box in a sentence": f"The answer is <|begin_of_box|>{GOOD}<|end_of_box|>.",
    "thoughts and box": f"<think>A castle.</think>\n<|begin_of_box|>{GOOD}<|end_of_box|>",
    "boxed": f"\\boxed{{{GOOD}}}",
    "boxed text": f"$\\boxed{{\\text{{{GOOD}}}}}$",
    "answer tag": f"<think>A castle.</think><answer>{GOOD}</answer>",
    "caption tag": f"Here it is: <caption>{GOOD}</caption>",
    "tags within tags": f"<response><caption>{GOOD}</caption></response>",
    "tags within tags, cut off": f"<response><caption>{GOOD}",
    "tag with an attribute": f'<caption lang="en">{GOOD}</caption>',
    "sentence tag": f"<sentence>{GOOD}</sentence>",
    "text tag": f"<text>{GOOD}</text>",
    "text tag within another": f"<answer><text>{GOOD}</text></answer>",
    "tag that began in the prompt": f"{GOOD}</caption>",
    "fenced tag": f"```xml\n<caption>{GOOD}</caption>\n```",
    # where things lie
    "grounding": f"<grounding>{GOOD}",
    "boxes": "<ref>An engraving of a castle</ref><box>(1,2),(3,4)</box> on a hill",
    "box tokens": f"<|object_ref_start|>{GOOD}<|object_ref_end|>"
    "<|box_start|>(1,2),(3,4)<|box_end|>",
    "phrases": "An engraving of<phrase> a castle</phrase><object><patch_index_0044>"
    "<patch_index_0863></object> on a hill",
    "places": f"{GOOD}<loc_1><loc_2>",
    # special tokens
    "end of turn": f"{GOOD}<|im_end|>",
    "a turn": f"<|im_start|>assistant\n{GOOD}<|im_end|>",
    "a further turn": f"{GOOD}<|im_end|>\n<|im_start|>user\nDescribe it<|im_end|>",
    "header": f"<|start_header_id|>assistant<|end_header_id|>\n\n{GOOD}<|eot_id|>",
    "model's turn": f"<start_of_turn>model\n{GOOD}<end_of_turn>",
    "sentence marks": f"<s> {GOOD}</s>",
    "wide marks": f"{GOOD}<｜end▁of▁sentence｜>",
    "padding": f"{GOOD}<pad><pad>",
    "role": f"ASSISTANT: {GOOD}",
    # markdown
    "bold": f"**{GOOD}**",
    "bold within": "An engraving of a **castle** on a *hill*",
    "underscores": f"__{GOOD}__",
    "italics": f"_{GOOD}_",
    "heading": f"# Caption\n\n{GOOD}",
    "heading itself": f"### {GOOD}",
    "quote": f"> {GOOD}",
    "bullet": f"- {GOOD}",
    "star": f"* {GOOD}",
    "number": f"1. {GOOD}",
    "fence": f"```\n{GOOD}\n```",
    "named fence": f"```text\n{GOOD}\n```",
    "fence behind words": f"Here is the caption:\n\n```markdown\n{GOOD}\n```\nEnjoy!",
    "code": f"`{GOOD}`",
    "rule": f"---\n{GOOD}\n---",
    "tags": f"<p><b>{GOOD}</b></p>",
    "paragraph with an attribute": f'<p class="caption">{GOOD}</p>',
    "figure": f"<figure><figcaption style='color: red'>{GOOD}</figcaption></figure>",
    "cut emphasis": f"**{GOOD}",
    # labels
    "label": f"Caption: {GOOD}",
    "bold label": f"**Caption:** {GOOD}",
    "label, colon outside": f"**Caption**: {GOOD}",
    "label on its own line": f"**Caption:**\n\n{GOOD}",
    "answer label": f"Answer: {GOOD}",
    "description": f"Image description: {GOOD}",
    "long label": f"Suggested one-sentence caption (English): {GOOD}",
    "label and quotes": f'Caption: "{GOOD}"',
    "label within quotes": f'"Caption: {GOOD}"',
    "dash": f"Caption – {GOOD}",
    "title too": f"**Title:** The Castle\n**Description:** {GOOD}",
    "two labels": f"Answer: Caption: {GOOD}",
    "Chinese label": f"描述：{GOOD}",
    "Chinese answer": f"答案：{GOOD}",
    "bold Chinese label": f"**图片描述：** {GOOD}",
    "Chinese words": f"这是：{GOOD}",
    "German label": f"Beschreibung: {GOOD}",
    # chatter
    "sure": f"Sure! {GOOD}",
    "sure, here": f"Sure, here is a caption for the image: {GOOD}",
    "curly here": f"Certainly! Here’s a one-sentence description:\n\n{GOOD}",
    "here you go": f"Here you go: {GOOD}",
    "the caption is": f"The caption for this image could be: {GOOD}",
    "offer": f"{GOOD}\n\nLet me know if you want another one!",
    "offer in the same line": f"{GOOD}. Let me know if you want another one!",
    "explanation": f"{GOOD}\n\nThis caption captures the mood of the picture.",
    "note": f"{GOOD}\n\n**Note:** the picture is damaged.",
    "count": f"{GOOD} (8 words)",
    "thinking aloud": f"Alright, let's describe it. {GOOD}",
    "emoji and label": f"🖼️ **Caption:** {GOOD}",
    "escaped": f"&quot;{GOOD}&quot;",
    "quoted in chatter": f'I would call it "{GOOD}" because of its towers.',
    "several": f"1. {GOOD}\n2. An engraving of a tower\n3. An engraving of a keep",
    "options": f"Option 1: {GOOD}\nOption 2: An engraving of a tower",
    # quotation marks
    "straight": f'"{GOOD}"',
    "curly": f"“{GOOD}”",
    "single": f"'{GOOD}'",
    "guillemets": f"« {GOOD} »",
    "open alone": f'"{GOOD}',
    "white space": "\n\n  An engraving of a castle\n on a hill \n",
    # JSON
    "JSON": json.dumps({"caption": GOOD}),
    "other key": json.dumps({"Description": GOOD, "style": "engraving"}),
    "fenced JSON": "```json\n" + json.dumps({"caption": GOOD}, indent=2) + "\n```",
    "JSON behind words": "Here is the JSON you asked for: "
    + json.dumps({"caption": GOOD})
    + " Done.",
    "nested JSON": json.dumps({"result": {"caption": GOOD, "tags": ["castle"]}}),
    "JSON list": json.dumps([{"caption": GOOD}, {"caption": "An engraving of a tower"}]),
    "JSON text": json.dumps(GOOD),
    "JSON of parts": json.dumps([{"type": "text", "text": GOOD}]),
    "Python's dictionary": str({"caption": GOOD}),
    "unknown key": json.dumps({"engraving": GOOD}),
    # parts
    "parts": [{"type": "text", "text": GOOD}],
    "parts with thoughts": [
        {"type": "thinking", "thinking": [{"type": "text", "text": "A castle."}]},
        {"type": "text", "text": GOOD},
    ],
    "two parts": [{"type": "text", "text": GOOD[:10]}, {"type": "text", "text": GOOD[10:]}],
    "texts": [GOOD],
    "one part": {"type": "text", "text": GOOD},
    "part of part": [{"type": "output_text", "text": {"value": GOOD}}],
}


@pytest.mark.parametrize("kind", AROUND)
def test_the_caption_is_the_answer_alone(kind):
    """Thoughts without their beginning, boxes and bold labels once stood in captions."""
    found = read(AROUND[kind])
    assert isinstance(found, Caption), found
    assert found.text.rstrip(".") == GOOD
    assert not found.is_cut


@pytest.mark.parametrize(
    "label, text",
    [
        ("描述：", "一幅山上城堡的版画"),
        ("**图片描述**：", "一幅山上城堡的版画"),
        ("キャプション：", "丘の上の城"),
        ("Beschreibung: ", "Ein Stich eines Schlosses"),
        ("# Bildbeschreibung\n\n", "Ein Stich eines Schlosses"),
        ("Légende : ", "La gravure d'un château"),
        ("Описание: ", "Гравюра замка"),
    ],
)
def test_a_caption_of_another_language_loses_the_label_of_that_language(label, text):
    """Only before English words did a foreign label go: captions of Chinese began "描述：…"."""
    found = read(label + text)
    assert isinstance(found, Caption), found
    assert found.text == text


WHOLE = [
    "An engraving of a sign saying 'Caption: none'",
    'An engraving of a page with the words "Answer: yes" on it',
    'An engraving of a poster with the word "<think>" on it',
    'An engraving of a sign that says "Stop"',
    '"Hope" and "Faith", two ships at sea',
    "An engraving of a book titled 'Sorry, I can't'",
    "An engraving of St. Peter's in Rome. The square is full of people.",
    "An engraving of a map, 5 * 3 * 2 feet large",
    "An engraving of file_name_one and file_name_two",
    "An engraving of three ships: the Nina, the Pinta and the Santa Maria",
    "The picture of three ships: one sinks",
    "Great towers above a river",
    "A note of music on a page",
    "An engraving of a woman who is sorry",
    "An engraving of King’s Bridge",
    "Here lies the king: a tomb in a church",
    "This is a castle. It stands on a hill.",
    "An engraving of a man, whose answer is written below: never",
    "An engraving of the letters [A] and {B}",
    "An engraving of a ship <1805>",
    "No. 5, a steam engine",
    "There appears to be no one in the street, only a dog",
    "It seems to be a castle, not a church",
    "As an assistant holds the lamp, the painter works",
    "The image you provided shows a castle",
    "There is no picture on the wall of this room",
    "We have here a castle on a hill",
    "An engraving of a ship. The caption is written in Latin.",
    "Sorry faces of three children",
    "一座山上的城堡",
    "Titel: Der Ritter",
    "Der Ritter: Tod und Teufel",
    "山上的城堡，说明：无",
    "An engraving of a sign <text>Stop</text> beside a road",
    'An engraving of a poster with the word "<ref>" on it',
    "An engraving of the letters <p or q>",
]


@pytest.mark.parametrize("text", WHOLE)
def test_what_reads_like_a_mark_within_a_caption_stays(text):
    found = read(text)
    assert isinstance(found, Caption), found
    assert found.text == text


def test_several_paragraphs_of_a_description_stay_together():
    found = read(
        "The castle stands on a hill.\n\nIn front of it a river flows.\n\nI hope this helps!"
    )
    assert found.text == "The castle stands on a hill. In front of it a river flows."


def test_an_answer_without_end_is_no_caption():
    """A server that could not stop wrote one of 40,000 letters, and it was trained on."""
    found = read("A ship. " * 5000)
    assert isinstance(found, NoCaption), found
    assert "thousand letters" in found.reason


EMPTY = {
    "null": (None, "stop", "empty answer"),
    "no letters": ("…", "stop", "empty answer"),
    "none": ("None", "stop", "empty answer"),
    "not available": ("**N/A**", "stop", "empty answer"),
    "no parts": ([], "stop", "empty answer"),
    "a tool": (None, "tool_calls", "empty answer: tool_calls"),
    "limit": (None, "length", "the length limit ended the answer"),
    "limit, empty": ("", "max_tokens", "the length limit ended the answer"),
    "cut in thoughts": ("<think>A castle, I", "length", "ended its thoughts"),
    "cut in thoughts without a mark": (
        "Okay, let's see. The image",
        "length",
        "ended its thoughts",
    ),
    "cut in another channel": ("<|channel|>analysis<|message|>We", "length", "ended its thoughts"),
    "thoughts alone": ("<think>A castle.</think>", "stop", "only thoughts"),
    "thoughts without an end": ("<think>A castle.", "stop", "only thoughts"),
    "thinking alone": ([{"type": "thinking", "thinking": "A castle."}], "stop", "empty answer"),
    "only marks": ("<|begin_of_box|><|end_of_box|>", "stop", "empty answer"),
    "empty JSON": ('{"caption": ""}', "stop", "empty answer"),
    "null in JSON": ('{"caption": null}', "stop", "empty answer"),
    "filter": (None, "content_filter", "content filter"),
    "half a caption from a filter": (GOOD, "content_filter", "content filter"),
    "another filter": (None, "SAFETY", "content filter"),
    "sorry": ("I'm sorry, I can't help with that.", "stop", "refused: I'm sorry"),
    "curly": ("I’m sorry, but I can’t assist with this.", "stop", "refused"),
    "unable": ("I am unable to view images.", "stop", "refused"),
    "cannot": ("I cannot describe this picture.", "stop", "refused"),
    "sorry alone": ("Sorry, but the image is too small.", "stop", "refused"),
    "as an AI": ("As an AI language model, I have no eyes.", "stop", "refused"),
    "no picture": ("There is no image attached.", "stop", "refused"),
    "did not arrive": ("It looks like the image didn't upload.", "stop", "refused"),
    "ask again": ("Please provide the image you want described.", "stop", "refused"),
    "not able": ("Unable to process image", "stop", "refused"),
    "too dark": ("The image is too dark to describe.", "stop", "refused"),
    "none to be had": ("No description available.", "stop", "refused"),
    "unfortunately": ("Unfortunately, I can't tell.", "stop", "refused"),
    "begun as asked": ("An engraving of… I'm sorry, I can't help with that.", "stop", "refused"),
    "in bold": ("**I'm sorry, I can't help with that.**", "stop", "refused"),
    "behind thoughts": ("<think>No.</think>I won't describe this.", "stop", "refused"),
    "Spanish": ("Lo siento, no puedo ayudar con eso.", "stop", "refused"),
    "an error": ("Error: CUDA out of memory", "stop", "refused"),
    "what was refused": ('I cannot write "An engraving of a duel".', "stop", "refused"),
    "nothing shown": ("An engraving.", "stop", "says nothing of what is shown"),
    "the question": ("An engraving of", "stop", "says nothing of what is shown"),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_an_answer_without_a_caption_says_why(kind):
    content, ended_by, words = EMPTY[kind]
    found = read(content, ended_by)
    assert isinstance(found, NoCaption), found
    said = f"{found.reason}: {found.detail}"
    assert said.startswith(words) or words in found.reason
    assert found.advice


def test_thoughts_and_refusals_that_stand_apart_are_told_as_such():
    assert "only thoughts" in read("", has_thoughts=True).reason
    assert "its thoughts" in read(None, "length", has_thoughts=True).reason
    assert read(None, refusal="I would rather not").detail == "I would rather not"


def test_a_refusal_followed_by_a_caption_is_a_caption():
    text = f"I'm sorry, I can't name the man, but here is a caption: {GOOD}"
    assert read(text).text == GOOD
    assert read(f"I can't name the man.\n\n{GOOD}").text == GOOD


@pytest.mark.parametrize(
    "part",
    [
        *("<think>", "a ", '{"', "**", "\n", '"', "I'm sorry ", "Caption: "),
        *("<caption>", "<answer><text>", "<box>", "<p =", "描述：", '{"a":'),
    ],
)
def test_a_long_answer_is_read_at_once(part):
    """A pattern that began anew at every letter took minutes for thoughts of some pages."""
    with within(2):
        read(part * 5_000)


@pytest.mark.parametrize("depth", [300, 900, 5_000])
def test_an_answer_of_json_without_an_end_ends_no_run(depth):
    """A model that opened objects within objects stopped a run of thousands with a traceback."""
    assert read('{"a":' * depth + '""' + "}" * depth)
    assert read('{"a":' * depth, "length")


def test_a_cut_caption_is_known_and_one_that_was_finished_before_the_cut_is_not():
    assert read("An engraving of a cas", "length").is_cut
    assert read('{"caption": "An engraving of a cas', "length") == Caption(
        JOB.row, "An engraving of a cas", is_cut=True
    )
    assert read(f"**Caption:** {GOOD}", "length").is_cut
    assert not read(f"{GOOD}\n\nLet me know if you wa", "length").is_cut
    assert not read(f'{{"caption": "{GOOD}", "tags": ["cas', "length").is_cut
