"""Training and validation both get rows, and look-alikes stay together as far as that allows."""

import pytest

from oneseed.dataset.collection import split_rows
from oneseed.dataset.dealing import split_lines


def grouped(*sizes):
    """Rows of groups of these sizes."""
    groups = [number for number, size in enumerate(sizes) for _ in range(size)]
    return [{"id": f"{row:016x}", "group": f"group {group}"} for row, group in enumerate(groups)]


def parts(rows, stored=None):
    """{group: (rows that train, rows that validate)}"""
    splits = split_rows(rows, stored)
    counts = {}
    for row in rows:
        train, val = counts.get(row["group"], (0, 0))
        is_train = splits[row["id"]] == "train"
        counts[row["group"]] = (train + is_train, val + (not is_train))
    return counts


def totals(rows, stored=None):
    """(rows that train, rows that validate)"""
    return tuple(map(sum, zip(*parts(rows, stored).values())))


@pytest.mark.parametrize(
    "sizes, expected",
    [
        # one group: all sprites validated once, and none trained
        ((300,), (270, 30)),
        ((5,), (4, 1)),
        ((6,), (5, 1)),
        ((95, *[1] * 5), (90, 10)),
        ((50, 50), (90, 10)),
        ((2, 3), (4, 1)),
        ((60, *[1] * 40), (90, 10)),
    ],
)
def test_look_alikes_leave_no_part_empty(sizes, expected):
    assert totals(grouped(*sizes)) == expected


def test_a_group_is_divided_only_where_it_must_be():
    dealt = parts(grouped(60, *[1] * 40))
    assert dealt["group 0"] == (60, 0)
    dealt = parts(grouped(*[11] * 9))
    assert sorted(dealt.values()) == [(0, 11)] + [(11, 0)] * 8
    divided = [part for part in parts(grouped(50, 50)).values() if 0 not in part]
    assert len(divided) == 1


def test_a_stored_split_that_leaves_a_part_empty_is_dealt_anew():
    """300 sprites all validated; preparing and dealing again must mend that, not keep it."""
    rows = grouped(*[1] * 300)
    assert totals(rows, {row["id"]: "val" for row in rows}) == (270, 30)
    few = rows[:5]
    assert totals(few, {row["id"]: "train" for row in few[:3]}) == (4, 1)
    assert totals(rows[:4], {row["id"]: "train" for row in rows[:3]}) == (4, 0)


def test_divided_look_alikes_are_told_when_the_pairs_are_dealt():
    rows = grouped(20, 1, 1)
    splits = split_rows(rows)
    for row in rows:
        row["split"] = splits[row["id"]]
    said = list(split_lines(rows))
    assert said[0] == "look-alikes: 20 of 22 pictures, in 1 groups, the largest of 20"
    assert len(said) == 1
    for row, split in zip(rows, ("val", *["train"] * 21)):
        row["split"] = split
    assert "the largest with 19 and 1" in list(split_lines(rows))[1]
    assert not list(split_lines(rows[20:]))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("before, added", [(10, 20), (10, 90), (20, 60), (20, 20)])
def test_look_alikes_that_come_later_do_not_all_validate(before, added, seed):
    """Twenty states of the one picture that validated were added to ten: 9 trained, 21 validated.

    A newcomer followed its look-alikes without a limit.
    """
    rows = [
        {"id": f"{seed:08x}{number:08x}", "group": f"group {number}"} for number in range(before)
    ]
    first = split_rows(rows)
    group = next(row["group"] for row in rows if first[row["id"]] == "val")
    states = [
        {"id": f"{seed:08x}{number:08x}", "group": group} for number in range(100, 100 + added)
    ]
    second = split_rows(rows + states, first)
    assert {row_id: second[row_id] for row_id in first} == first, "who was dealt stays"
    validating = list(second.values()).count("val")
    assert validating == max(round(0.2 * (before + added)), 1)
    for row in rows + states:
        row["split"] = second[row["id"]]
    assert "both train and validate" in list(split_lines(rows + states))[1]


@pytest.mark.parametrize("before, added", [(5, 15), (6, 14), (20, 60)])
def test_look_alikes_of_a_divided_group_train(before, added):
    """Of a group on both sides the last row decided: of 5 and then 15 states 4 trained."""
    first = split_rows(grouped(before))
    second = split_rows(grouped(before + added), first)
    assert {row_id: second[row_id] for row_id in first} == first
    assert list(second.values()).count("val") == list(first.values()).count("val") > 0
