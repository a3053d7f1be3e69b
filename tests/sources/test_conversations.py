"""Conversations in other trainers' forms: the one picture, and the first answer as its caption."""

import pytest

from tests.sources.made import captions_of, describe_made, further_captions

ASKED = {"from": "human", "value": "<image>What is this?"}
ANSWERED = {"from": "gpt", "value": "a castle"}
PART = {"type": "text", "text": "What is this?"}
ANSWER = {"role": "assistant", "content": "a castle"}
REJECTED = {"role": "assistant", "content": "a dog"}
ANSWER_PARTS = {"role": "assistant", "content": [{"type": "text", "text": "a castle"}]}
ROWS = {
    "LLaVA": {"id": "0", "image": "1.png", "conversations": [ASKED, ANSWERED]},
    "ShareGPT with a list of images": {"images": ["1.png"], "conversations": [ASKED, ANSWERED]},
    "messages and images": {
        "images": ["1.png"],
        "messages": [{"role": "user", "content": "<image>What?"}, ANSWER],
    },
    "a system message first": {
        "images": ["1.png"],
        "messages": [
            {"role": "system", "content": "You describe."},
            {"role": "user", "content": "<image>What?"},
            ANSWER,
        ],
    },
    "image_url as an object": {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "1.png"}}, PART],
            },
            ANSWER_PARTS,
        ]
    },
    "image_url as text": {
        "messages": [
            {"role": "user", "content": [{"type": "input_image", "image_url": "1.png"}]},
            ANSWER_PARTS,
        ]
    },
    "an address of a file": {
        "messages": [
            {"role": "user", "content": [{"type": "image", "image": "file://1.png"}, PART]},
            ANSWER,
        ]
    },
    "parts without a type": {
        "messages": [
            {"role": "user", "content": [{"image": "1.png"}, {"text": "What?"}]},
            {"role": "assistant", "content": [{"text": "a castle"}]},
        ]
    },
    "a tag in the text": {
        "id": "0",
        "conversations": [
            {"from": "user", "value": "Picture 1: <img>1.png</img>\nWhat?"},
            {"from": "assistant", "value": "a castle"},
        ],
    },
    "prompt and completion": {
        "images": ["1.png"],
        "prompt": [{"role": "user", "content": [{"type": "image"}, PART]}],
        "completion": [ANSWER_PARTS],
    },
    "prompt and chosen": {
        "image": "1.png",
        "prompt": [{"role": "user", "content": "What?"}],
        "chosen": [ANSWER],
        "rejected": [REJECTED],
    },
    "chosen without a prompt": {
        "images": ["1.png"],
        "chosen": [{"role": "user", "content": "<image>What is this?"}, ANSWER],
        "rejected": [{"role": "user", "content": "<image>What is this?"}, REJECTED],
    },
    "conversations and chosen": {
        "images": ["1.png"],
        "conversations": [ASKED],
        "chosen": ANSWERED,
        "rejected": {"from": "gpt", "value": "a dog"},
    },
    "messages and chosen": {
        "images": ["1.png"],
        "messages": [{"role": "user", "content": "<image>What?"}],
        "chosen": [ANSWER],
        "rejected": [REJECTED],
    },
    "messages, and a chosen text": {
        "images": ["1.png"],
        "messages": [{"role": "user", "content": "<image>What?"}],
        "chosen": "a castle",
        "rejected": "a dog",
    },
    "instruction and output": {"image_path": "1.png", "instruction": "What?", "output": "a castle"},
    "instruction with images": {
        "images": ["1.png"],
        "instruction": "<image>What?",
        "input": "",
        "output": "a castle",
    },
    "query and response": {"images": ["1.png"], "query": "What?", "response": "a castle"},
    "question and answer": {"image": "1.png", "question": "What?", "answer": "a castle"},
    "pairs of user and assistant": {
        "images": ["1.png"],
        "texts": [{"user": "What?", "assistant": "a castle"}],
    },
}


@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_answer_becomes_the_caption_of_the_one_picture(tmp_path, row, name):
    described = describe_made(tmp_path, {name: [row] if name == "x.json" else row})
    assert captions_of(described) == {"1.png": "a castle"}
    assert not described.lost
    assert not further_captions(described)


@pytest.mark.parametrize("name", [name for name in ROWS if "chosen" in name])
def test_the_preferred_answer_is_the_caption_and_never_its_question(tmp_path, name):
    """Every caption was "<image>What is this?", or there was none."""
    known = describe_made(tmp_path, {"x.jsonl": ROWS[name]}).rows["1.png"]
    assert known["caption"] == "a castle"
    assert known["question"].startswith("What")
    assert "turns" not in known


def test_an_answer_that_turns_hold_already_is_not_heard_twice(tmp_path):
    """Some sets of preferences repeat the chosen turns as messages."""
    turns = [{"role": "user", "content": "What?"}, ANSWER]
    rows = [
        {"images": ["1.png"], "messages": turns, "chosen": turns},
        {"images": ["2.png"], "messages": turns[:1], "chosen": turns},
    ]
    described = describe_made(tmp_path, {"x.json": rows})
    assert captions_of(described) == {"1.png": "a castle", "2.png": "a castle"}
    assert not any("turns" in row for row in described.rows.values())


def test_later_answers_are_no_captions_and_stay_in_the_row(tmp_path):
    row = ROWS["LLaVA"] | {"conversations": [ASKED, ANSWERED, ASKED, ANSWERED | {"value": "old"}]}
    described = describe_made(tmp_path, {"x.json": [row]})
    assert captions_of(described) == {"1.png": "a castle"}
    assert not further_captions(described)
    assert [turn["content"] for turn in described.rows["1.png"]["turns"]] == [
        "What is this?",
        "old",
    ]


def test_a_file_may_mix_the_forms(tmp_path):
    rows = [ROWS["LLaVA"], ROWS["messages and images"] | {"images": ["2.png"]}]
    described = describe_made(tmp_path, {"x.json": rows})
    assert captions_of(described) == {"1.png": "a castle", "2.png": "a castle"}


@pytest.mark.parametrize(
    "row",
    [
        {"images": ["1.png", "2.png"], "conversations": [ASKED, ANSWERED]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "1.png"}},
                        {"type": "image_url", "image_url": {"url": "2.png"}},
                    ],
                },
                ANSWER,
            ]
        },
    ],
)
def test_a_row_of_several_pictures_names_them_all_and_its_answer_is_of_the_first(tmp_path, row):
    """A form and its table in one row: it was refused, and its answer lost."""
    described = describe_made(tmp_path, {"x.jsonl": row})
    assert captions_of(described) == {"1.png": "a castle"}
    assert described.rows["1.png"]["images"] == ["1.png", "2.png"]
    assert described.rows["2.png"]["is_beside"]
    assert not described.lost
    assert not any("further_pictures" in found for found in described.formats)


def test_a_picture_that_cannot_be_named_is_counted_and_costs_no_row(tmp_path):
    row = ROWS["messages and images"] | {"images": ["1.png", "https://a.example/2.png"]}
    described = describe_made(tmp_path, {"x.jsonl": row})
    assert captions_of(described) == {"1.png": "a castle"}
    assert [found["further_pictures"] for found in described.formats] == [1]


def test_one_picture_named_twice_is_one(tmp_path):
    row = ROWS["messages and images"] | {"images": ["1.png", "1.png"]}
    assert captions_of(describe_made(tmp_path, {"x.jsonl": row})) == {"1.png": "a castle"}


def test_pictures_are_found_from_their_own_folder_on(tmp_path):
    """chat.json lies beside images/ and names pictures from images/ on: none had its caption."""
    rows = [{"image": f"a{n}/{n}.png", "conversations": [ASKED, ANSWERED]} for n in range(3)]
    pictures = [f"images/a{n}/{n}.png" for n in range(3)]
    described = describe_made(tmp_path, {"chat.json": rows}, pictures)
    assert captions_of(described) == dict.fromkeys(pictures, "a castle")
    assert not described.lost
