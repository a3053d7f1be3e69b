"""Promises of a collection on disk: files are whole, and a picture stays in its split."""

import json

import pytest

from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection, split_rows
from oneseed.dataset.jsonl import read_jsonl, recover_jsonl, write_jsonl, write_lines
from tests.captioning.prepared import prepared


def rows(count, start=0):
    return [{"id": f"{number:016x}"} for number in range(start, start + count)]


@pytest.mark.parametrize(
    "count, train", [(5141, 4627), (848, 763), (6000, 5400), (10, 9), (3, 3), (1, 1)]
)
def test_first_split_is_exactly_nine_tenths(count, train):
    splits = list(split_rows(rows(count)).values())
    assert (splits.count("train"), splits.count("val")) == (train, count - train)


def test_split_ignores_the_order_of_the_rows():
    assert split_rows(rows(200)) == split_rows(rows(200)[::-1])


def test_split_does_not_move_when_pictures_are_added():
    """A picture that moved from validation to training would falsify the next loss."""
    first = split_rows(rows(100))
    second = split_rows(rows(150), first)
    assert {row_id: second[row_id] for row_id in first} == first
    assert len(second) == 150
    assert list(second.values()).count("train") == 90 + 45


def test_split_does_not_move_when_pictures_are_removed():
    first = split_rows(rows(100))
    assert split_rows(rows(40, start=30), first) == {
        row["id"]: first[row["id"]] for row in rows(40, start=30)
    }


def test_look_alikes_share_a_split():
    pairs = [row | {"group": f"{number // 2:016x}"} for number, row in enumerate(rows(400))]
    splits = split_rows(pairs)
    assert all(
        splits[one["id"]] == splits[other["id"]] for one, other in zip(pairs[::2], pairs[1::2])
    )
    assert list(splits.values()).count("train") == 360


def test_a_new_look_alike_follows_the_one_dealt_before():
    first = split_rows(rows(50))
    added = [
        {"id": f"{number:016x}", "group": f"{number - 1000:016x}"} for number in range(1000, 1050)
    ]
    second = split_rows(rows(50) + added, first)
    assert all(second[row["id"]] == first[row["group"]] for row in added)


def test_rows_survive_writing_and_reading(tmp_path):
    """U+2028 ends a line for str.splitlines, not in JSON Lines."""
    odd = [{"caption": 'one\u2028two \N{GRINNING FACE} "quoted" \\ back'}, {"caption": ""}]
    write_jsonl(tmp_path / "rows.jsonl", odd)
    assert read_jsonl(tmp_path / "rows.jsonl") == odd


def test_metadata_are_a_json_list_whoever_reads_or_wrote_them(tmp_path):
    """Read row by row where each has its line, and at once where another program wrote it.

    A file that is cut off is never read in part.
    """
    collection = Collection("prints", tmp_path)
    odd = [
        {**row, "caption": caption}
        for row, caption in zip(
            prepared(tmp_path / "other", 2).read_metadata(), ['one\u2028two \n"]', "]"]
        )
    ]
    for some in (odd, odd[:1], []):
        collection.write_metadata(some)
        assert (
            json.loads(collection.metadata.read_text("utf-8")) == some == collection.read_metadata()
        )
        for indent in (None, 1):
            collection.metadata.write_text(json.dumps(some, indent=indent), "utf-8")
            assert collection.read_metadata() == some
    collection.write_metadata(odd)
    whole = collection.metadata.read_bytes()
    for end in range(len(whole) - 1):
        collection.metadata.write_bytes(whole[:end])
        with pytest.raises(UserError, match="prints_metadata.json cannot be read as JSON"):
            collection.read_metadata()


def test_a_file_that_holds_the_same_lines_already_is_left_alone(tmp_path):
    path = tmp_path / "rows.jsonl"
    for lines, written in (
        (["a\n", "b\n"], True),
        (["a\n", "b\n"], False),
        (["a\n"], True),
        (["a\n", "b\n"], True),
        (["b\n", "b\n"], True),
        ([], True),
        ([], False),
    ):
        before = path.stat().st_ino if path.exists() else None
        write_lines(path, lines.__iter__)
        assert path.read_text() == "".join(lines)
        assert (path.stat().st_ino != before) == written


def test_a_torn_last_line_is_cut_off_and_appending_goes_on(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"id": 1}\n{"id": 2}\n{"id": 3, "capt', encoding="utf-8")
    assert recover_jsonl(path) == [{"id": 1}, {"id": 2}]
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps({"id": 3}) + "\n")
    assert recover_jsonl(path) == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert recover_jsonl(tmp_path / "absent.jsonl") == []


def test_a_line_that_another_process_is_writing_is_overlooked(tmp_path):
    path = tmp_path / "log.jsonl"
    line = json.dumps({"caption": "Doré"}, ensure_ascii=False).encode()
    # cuts its last letter in two as well
    for length in range(1, len(line) + 1):
        path.write_bytes(line + b"\n" + line[:length])
        assert read_jsonl(path, torn=True) == [{"caption": "Doré"}]


def test_damaged_rows_are_named_by_file_and_line(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"id": 1}\n[2]\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"rows\.jsonl, line 2"):
        read_jsonl(tmp_path / "rows.jsonl")


def test_missing_stages_name_the_command_that_makes_them(tmp_path):
    with pytest.raises(UserError, match="python dataset_preparation.py --source builtin"):
        Collection("builtin", tmp_path).read_metadata()
    with pytest.raises(
        UserError, match="python dataset_preparation.py --style prints --source PATH"
    ):
        Collection("prints", tmp_path).read_metadata()
    prepared(tmp_path, 3, style="prints")
    with pytest.raises(UserError, match="python caption_generation.py --style prints"):
        Collection("prints", tmp_path).read_captions()
