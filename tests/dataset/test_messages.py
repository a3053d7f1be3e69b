"""Rows as conversations: what is asked before each answer, with the picture in its place."""

from oneseed.dataset.messages import asked_before_answers, messages_of, place_pictures

IMAGE = {"type": "image"}
ROW = {"caption": "a castle", "question": "What?"}
TURNS = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "on a hill"}]


def told(messages):
    """Messages in short: ("user", "<image>What?")."""
    return [
        (one["role"], "".join(part.get("text", "<image>") for part in one["content"]))
        for one in messages
    ]


def test_a_plain_row_is_a_question_with_its_picture_first_and_the_caption():
    assert told(messages_of(ROW)) == [("user", "<image>What?"), ("assistant", "a castle")]
    assert told(messages_of({"caption": "x"}, "Say!")) == [
        ("user", "<image>Say!"),
        ("assistant", "x"),
    ]


def test_system_prompt_and_turns_stand_where_they_stood():
    row = ROW | {"system": "Be brief.", "turns": TURNS}
    messages = messages_of(row)
    assert told(messages) == [
        ("system", "Be brief."),
        ("user", "<image>What?"),
        ("assistant", "a castle"),
        ("user", "Where?"),
        ("assistant", "on a hill"),
    ]
    first, second = asked_before_answers(messages)
    assert (len(first), len(second)) == (2, 4)
    assert len(messages_of(row, turns=False)) == 3


def test_a_marked_picture_stands_in_its_place():
    row = ROW | {"marked_question": "Is <image> new?"}
    user, _ = messages_of(row)
    assert user["content"] == [
        {"type": "text", "text": "Is "},
        IMAGE,
        {"type": "text", "text": " new?"},
    ]
    (shown, _) = place_pictures([user, messages_of(row)[1]], ["PICTURE"])
    assert shown["content"][1] == {"type": "image", "image": "PICTURE"}
    assert user["content"][1] == IMAGE, "the row's own messages stay"


def test_marks_of_pictures_that_are_not_shown_count_as_none():
    """A processor that finds another number of marks than pictures makes no batch."""
    row = ROW | {"marked_question": "Is <image> like <image>?", "question": "Is  like ?"}
    assert told(messages_of(row))[0] == ("user", "<image>Is  like ?")
    assert told(messages_of(row, pictures=2))[0] == ("user", "Is <image> like <image>?")


def test_turns_that_a_person_wrote_by_hand_keep_their_order():
    turns = [TURNS[0], TURNS[0], TURNS[1], TURNS[1]]
    assert told(messages_of(ROW | {"turns": turns}))[2:] == [
        ("user", "Where?\nWhere?"),
        ("assistant", "on a hill"),
        ("assistant", "on a hill"),
    ]
