"""What people answered on the page: whether they tell a picture's caption, and a drawn picture.

    keep_answer(path, GameAnswer("caption", fingerprint, seed=7, is_right=True))
    section = measure_people(path, fingerprint)

The file holds an answer a line, of any model, the latest MOST_ANSWERS. Nothing of a person is in
it: neither name nor address nor time.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oneseed.dataset.jsonl import write_jsonl
from oneseed.dataset.notes import each_noted
from oneseed.evaluation.section import Number, Section
from oneseed.locks import locked
from oneseed.seeds import LAST_SEED

# beside report.json
ANSWERS_NAME = "answers.jsonl"
# lines of the file; 1.5 MB
MOST_ANSWERS = 10_000
# which of four captions is the picture's; which of two pictures the model made
CAPTION_GAME = "caption"
DREAM_GAME = "dream"
# game -> how often a guess is right
CHANCE = {CAPTION_GAME: 1 / 4, DREAM_GAME: 1 / 2}
# game -> key and title of its figure
FIGURES = {
    CAPTION_GAME: ("people_captions", "people chose the right caption of four"),
    DREAM_GAME: ("people_dreams", "people told the model's picture from a drawn or real one"),
}
ABOUT_PEOPLE = (
    "What people answered is from the page's tab Play; its floor is what guesses give, its "
    "interval Wilson's. Of the model's pictures the best answer is the floor: nobody can tell."
)
# of a normal distribution, 95 % lie within so many standard deviations
NORMAL_95 = 1.96


@dataclass(frozen=True)
class GameAnswer:
    """What one person answered once."""

    # a key of CHANCE
    game: str
    # of the model
    fingerprint: str
    # of the pair that was asked for
    seed: int
    is_right: bool


def is_answer(value: Any) -> bool:
    """Whether a value of JSON is an answer as `keep_answer` writes it."""
    if not isinstance(value, dict) or value.keys() != {"game", "fingerprint", "seed", "is_right"}:
        return False
    seed = value["seed"]
    is_seed = isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed <= LAST_SEED
    is_known = isinstance(value["game"], str) and value["game"] in CHANCE
    is_of_model = isinstance(value["fingerprint"], str)
    return is_seed and is_known and is_of_model and isinstance(value["is_right"], bool)


def read_answers(path: Path) -> list[GameAnswer]:
    """The answers of a file, damaged lines passed over; [] where there is none."""
    return [GameAnswer(**row) for row in each_noted(path, is_answer)]


def keep_answer(path: Path, answer: GameAnswer) -> None:
    """Adds an answer; the oldest goes where there are MOST_ANSWERS. The file is written whole.

    InUseError where another process has been writing it for seconds.
    """
    with locked(path.parent, "answers", what=path.as_posix(), remedy="answer again in a moment"):
        answers = [*read_answers(path), answer]
        write_jsonl(path, [asdict(one) for one in answers[-MOST_ANSWERS:]])


def measure_people(path: Path, fingerprint: str) -> Section:
    """How often people were right about one model; empty where nobody has answered."""
    answers = [one for one in read_answers(path) if one.fingerprint == fingerprint]
    numbers = {}
    for game, (key, title) in FIGURES.items():
        of_game = [one.is_right for one in answers if one.game == game]
        if of_game:
            count = len(of_game)
            right = sum(of_game)
            numbers[key] = Number(
                f"{title} in {right} of {count} answers",
                right / count,
                CHANCE[game],
                1.0,
                interval=share_interval(right, count),
            )
    return Section(numbers, notes=[ABOUT_PEOPLE] if numbers else [])


def share_interval(right: int, count: int) -> tuple[float, float]:
    """`right` of `count` answers, one or more -> where the true share lies in 95 % of cases.

    It has a width even where all are right, as a bootstrap of few answers has not.
    Source: Wilson 1927, Probable inference, Journal of the American Statistical Association 22.
    """
    share = right / count
    weight = NORMAL_95**2 / count
    middle = (share + weight / 2) / (1 + weight)
    reach = NORMAL_95 / (1 + weight) * math.sqrt(share * (1 - share) / count + weight / 4 / count)
    return max(0.0, middle - reach), min(1.0, middle + reach)
