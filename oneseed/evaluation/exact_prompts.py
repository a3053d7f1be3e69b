"""Prompts as people type them, judged exactly: does a pair show and say all that was asked for?"""

from collections.abc import Sequence

from oneseed.evaluation.exact import FIRST_RENDER, Exam
from oneseed.evaluation.metrics import equal_values
from oneseed.evaluation.samples import generated_pairs
from oneseed.evaluation.section import Number, Section, mean_number
from oneseed.synthetic.drawn import Facts

# share of pairs that shall do what a prompt says
WANTED = 0.9
# nobody can know what every typo means
HARD_KINDS = ("misspelt",)
# kind -> what is typed, for the reader
TITLES = {
    "bare": "a fragment of one to four attributes",
    "reordered": "a fragment in an order that no caption has",
    "synonyms": 'a fragment in other words than captions have ("huge", "a pair of")',
    "capitals": "a fragment in capitals",
    "blanks": "a fragment with blanks or a full stop around it",
    "misspelt": "a fragment with a typo",
}


def measure_typed_prompts(exam: Exam, count: int) -> Section:
    """`count` captions as prompts, and as many prompts of each kind that people type, strict.

    Empty where captions lack attributes that people ask for, and where the collection does not
    know how people type.
    """
    type_prompt = exam.drawn.typed_prompt
    if not exam.is_complete or type_prompt is None:
        return Section()
    facts = exam.some_trained(count, "typed prompts")
    numbers = {
        "typed_captions": typed_number(
            exam, "a whole caption, all attributes", exam.tell(facts), facts, WANTED
        )
    }
    for kind in exam.drawn.prompt_kinds:
        prompts = [type_prompt(one, kind, FIRST_RENDER + i) for i, one in enumerate(facts)]
        numbers[f"typed_{kind}"] = typed_number(
            exam,
            TITLES.get(kind, kind),
            [prompt.text for prompt in prompts],
            [prompt.asked for prompt in prompts],
            None if kind in HARD_KINDS else WANTED,
        )
    return Section(numbers)


def typed_number(
    exam: Exam,
    title: str,
    prompts: Sequence[str],
    asked: Sequence[Facts],
    wanted: float | None,
) -> Number:
    """The share of N pairs that show and say all of the attributes that their prompts ask for.

    Floor: the same with the pair of another prompt. wanted: the goal, None where there is none.
    """
    pairs = list(generated_pairs(exam.generator, range(len(prompts)), prompts=prompts))
    read = exam.read(pairs)
    seen, said = read.seen, read.said
    return mean_number(
        f"prompt: {title}, strict",
        honoured(asked, seen, said),
        honoured_share(asked, seen[1:] + seen[:1], said[1:] + said[:1]),
        1.0,
        f"at least {wanted}" if wanted else "",
    )


def honoured_share(asked: Sequence[Facts], seen: Sequence[Facts], said: Sequence[Facts]) -> float:
    """Share of the pairs whose picture shows and whose caption says every attribute asked for."""
    return sum(honoured(asked, seen, said)) / len(asked)


def honoured(asked: Sequence[Facts], seen: Sequence[Facts], said: Sequence[Facts]) -> list[bool]:
    """What honoured_share() takes the mean of: is it so of each pair?"""
    answers = []
    for one, picture, caption in zip(asked, seen, said):
        names = list(one)
        answers.append(
            all(equal_values(one, picture, names)) and all(equal_values(one, caption, names))
        )
    return answers
