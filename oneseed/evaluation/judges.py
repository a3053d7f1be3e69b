"""What a judge of pairs offers, and how one is asked: one door for ours and everybody's own.

    python evaluation.py --judge my_judge:Judge

The class may judge any collection. It is made without arguments and offers:

    attributes          {name: its values}, such as {"subject": ("ship", "castle")}
    see(pictures)       uint8 RGB (N, S, S, 3) -> N dicts, {name: value or None} for every name
    parse(captions)     N texts -> the same of what each says

None stands for what cannot be read or is not told, and agrees with nothing.
"""

import importlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from oneseed.console.command import UserError
from oneseed.synthetic.drawn import ABSENT, Facts

NAMED_JUDGE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
# pictures that a judge is shown at once
SHOWN_AT_ONCE = 64


class Judge(Protocol):
    """Says what pictures show and what captions say, in the same terms."""

    @property
    def attributes(self) -> Mapping[str, Sequence[Any]]:
        """The values of each attribute."""
        ...

    def see(self, pictures: np.ndarray) -> Sequence[Facts]:
        """Uint8 RGB (N, S, S, 3) -> what each shows, None for what cannot be read."""
        ...

    def parse(self, captions: Sequence[str]) -> Sequence[Facts]:
        """What each caption says, None for what it leaves out."""
        ...


class PictureJudge(Judge, Protocol):
    """A judge of a drawn collection: it also tells its examination and how pictures compare."""

    # what its features are, for the reader
    network: str
    # plain JSON: the collection's version, and how it did in its examination
    about: dict[str, Any]

    def features(self, pictures: np.ndarray) -> np.ndarray:
        """Uint8 (N, S, S) or (N, S, S, 3) -> (N, F), for distances between collections."""
        ...


def is_named_judge(text: str) -> bool:
    """Whether --judge names a class, module:Class, and no file."""
    return NAMED_JUDGE.fullmatch(text) is not None


def named_judge(name: str) -> Judge:
    """The judge that --judge module:Class names. Its module runs, as the user asked.

    Modules are looked for in the folder of the command too. UserError where there is none.
    """
    module_name, _, class_name = name.partition(":")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UserError(
            f"--judge {name}: the module {module_name} cannot be imported ({reason_of(error)}); "
            "run the command in the folder of its file"
        ) from error
    kind = getattr(module, class_name, None)
    if not isinstance(kind, type):
        raise UserError(f"--judge {name}: {module_name} has no class {class_name}; name one it has")
    try:
        judge = kind()
    except Exception as error:
        raise UserError(
            f"--judge {name}: {class_name}() failed ({reason_of(error)}); "
            "it is made without arguments"
        ) from error
    require_judge(judge, name)
    return judge


def require_judge(judge: Any, name: str) -> None:
    """UserError where an object lacks what a judge offers. name: for the sentence."""
    for method in ("see", "parse"):
        if not callable(getattr(judge, method, None)):
            raise UserError(f"--judge {name}: it lacks the method {method}; give it one")
    attributes = getattr(judge, "attributes", None)
    if not (
        isinstance(attributes, Mapping)
        and attributes
        and all(isinstance(values, Sequence) and values for values in attributes.values())
    ):
        raise UserError(
            f"--judge {name}: it lacks attributes; give it a dict of names with their values, "
            'such as attributes = {"subject": ("ship", "castle")}'
        )
    for attribute, values in attributes.items():
        for value in values:
            if not isinstance(attribute, str) or not isinstance(value, str | int | float):
                raise UserError(
                    f"--judge {name}: {short(value)} of {short(attribute)} in its attributes is "
                    "no text or number; write it as one"
                )
        if ABSENT in values:
            raise UserError(
                f'--judge {name}: the value "{ABSENT}" of {attribute} stands for what a picture '
                "cannot have; call it otherwise"
            )


def reason_of(error: Exception) -> str:
    """An error of somebody's own code in a few words, with the line that raised it."""
    told = " ".join(f"{type(error).__name__}: {error}".split())
    last = traceback.extract_tb(error.__traceback__)[-1]
    if "importlib" in last.filename or last.filename == __file__:
        return told
    return f"{told}, {Path(last.filename).name} line {last.lineno}"


def seen_by(judge: Judge, images: Sequence[Image.Image]) -> list[Facts]:
    """What N pictures of one size show. UserError where the judge's answers are none."""
    seen = []
    for start in range(0, len(images), SHOWN_AT_ONCE):
        shown = images[start : start + SHOWN_AT_ONCE]
        pictures = np.stack([np.asarray(image.convert("RGB")) for image in shown])
        seen += answers_of(judge, judge.see, pictures)
    return seen


def said_by(judge: Judge, captions: Sequence[str]) -> list[Facts]:
    """What N captions say. UserError where the judge's answers are none."""
    return answers_of(judge, judge.parse, list(captions)) if captions else []


def answers_of(judge: Judge, ask: Callable[[Any], Any], items: Any) -> list[Facts]:
    """What a judge answers to N items, checked: {name: one of its values, or None} for each."""
    what = f"{type(judge).__name__}.{getattr(ask, '__name__', 'see')}()"
    try:
        answers = ask(items)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"the judge's {what} failed ({reason_of(error)}); mend it") from error
    if not isinstance(answers, Sequence) or len(answers) != len(items):
        raise UserError(
            f"the judge's {what} must return a list with a dict for each of {len(items)} items, "
            f"not {short(answers)}; mend it"
        )
    return [checked_facts(judge, what, one) for one in answers]


def checked_facts(judge: Judge, what: str, facts: Any) -> Facts:
    """One answer of a judge, with the attributes' own values. what: its method, for the sentence.

    UserError where it is no answer.
    """
    if not isinstance(facts, Mapping) or set(facts) != set(judge.attributes):
        raise UserError(
            f"the judge's {what} must return dicts with the keys {', '.join(judge.attributes)}, "
            f"not {short(facts)}; mend it"
        )
    for name, value in facts.items():
        is_plain = value is None or isinstance(value, str | int | float | np.generic)
        if not is_plain or (value is not None and value not in judge.attributes[name]):
            raise UserError(
                f"the judge's {what} returned {short(value)} for {name}, which its attributes do "
                "not have; add the value there, or return None"
            )
    return {
        # the attribute's own, for a number of NumPy's is none of JSON
        name: None if facts[name] is None else values[list(values).index(facts[name])]
        for name, values in judge.attributes.items()
    }


def short(value: Any) -> str:
    """Any value in one line of 60 characters at most."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
