"""What the tab Generate does on the server: one pair, a sheet of pairs, and cards opened again."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from oneseed.config.inference import GUIDANCE, InferenceConfig
from oneseed.console.command import UserError
from oneseed.generation import cards
from oneseed.generation.batcher import Batcher
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.requests import named_by_word
from oneseed.media.kinds import CLIP, SOUND
from oneseed.page.code_view import shown_code
from oneseed.page.events import Component, messages
from oneseed.page.links import controls_from_query, prompt_text
from oneseed.page.listening import listening_updates
from oneseed.page.opening import Example, drawn_examples, opening_seed
from oneseed.page.pair_rows import (
    PAGE_AT_ONCE,
    FindGenerator,
    GalleryRow,
    medium_of_page,
    saved_card,
    seed_cards,
    seed_rows,
    writes_code,
)
from oneseed.page.sentences import fit_words
from oneseed.page.uploads import uploaded
from oneseed.page.watching import still_updates, watching_updates
from oneseed.seeds import LAST_SEED, seed_of_word, seeds_from
from oneseed.web.inputs import (
    one_of,
    parse_guidance,
    parse_seed,
    parse_temperature,
    whole_number,
    word_in,
)
from oneseed.workers import chunks

# pairs of a sheet
PAGE_MAX_SHEET = 24
# candidates of which the best pair is kept
PAGE_MAX_CANDIDATES = 16
# label of no style in particular
ANY_STYLE = "as the seed has it"


class Conditions(NamedTuple):
    """What a pair should be like, as a visitor sent it or as the controls show it."""

    prompt: Any = ""
    style: Any = ""
    guidance: Any = GUIDANCE
    temperature: Any = 0
    best_of: Any = 1


class ShownPair(NamedTuple):
    """What the plate shows, in the order of its fields."""

    # path of the card
    picture: str | None = None
    caption: str = ""
    seed: int | None = None
    # so many of a hundred real pairs fit no better
    match: int | None = None
    remark: str = ""


class ControlValues(NamedTuple):
    """What the controls become, in their order; style is an update of its dropdown or a value."""

    seed: str
    prompt: str
    style: Component
    guidance: float
    temperature: float
    best_of: int = 1


@dataclass(frozen=True)
class DrawnSheet:
    """The seeds of a sheet, and the controls at the time it was drawn."""

    seeds: list[int]
    config: InferenceConfig


def request_config(
    generator: MultimodalGenerator, wanted: Conditions
) -> tuple[MultimodalGenerator, InferenceConfig]:
    """What came in over the wire, checked -> the model at that temperature, and its settings."""
    prompt = prompt_text(wanted.prompt)
    style = one_of(wanted.style, generator.styles, "The style")
    guidance = parse_guidance(wanted.guidance)
    temperature = parse_temperature(wanted.temperature)
    best_of = whole_number(wanted.best_of, "Best of", low=1, high=PAGE_MAX_CANDIDATES)
    if prompt:
        generator.read_prompt(prompt, style or None)
    config = InferenceConfig(
        prompt=prompt or None,
        style=style or None,
        guidance=guidance,
        best_of=best_of,
        temperature=temperature,
    )
    return at_temperature(generator, temperature), config


def at_temperature(generator: MultimodalGenerator, temperature: float) -> MultimodalGenerator:
    """The same model with captions drawn at another temperature.

    A copy, so that other visitors' pairs do not notice.
    """
    other = copy.copy(generator)
    other.temperature = temperature
    return other


def pair_note(generator: MultimodalGenerator, facts: Mapping[str, Any]) -> str:
    """What is to be known of a pair, "" where it is nothing."""
    notes = []
    if facts.get("prompt"):
        read = generator.read_prompt(facts["prompt"], facts.get("asked_style"))
        notes += [f"{remark[0].upper()}{remark[1:]}." for remark in read.remarks]
        if read.remarks:
            notes.append(f"The prompt is read as: {read.text.strip()}.")
    if facts.get("near_training"):
        notes.append(
            f"Nearer to training picture {facts['near_training']} than pictures that it has not "
            "seen come."
        )
    return " ".join(notes)


def alternative_text(seed: int | None, caption: str, word: str = "") -> str:
    """What a screen reader says of the plate. word: that stands for the seed."""
    if seed is None:
        return ""
    return f"Seed {seed} ({word}): {caption}" if word else f"Seed {seed}: {caption}"


@dataclass(frozen=True)
class GenerateHandlers:
    """The events of the tab. They take plain JSON; a refusal is one sentence on the page."""

    gr: ModuleType
    find_generator: FindGenerator
    # folder of the files that Gradio serves and receives
    cache: str
    # what others ask for at the same time is decoded together
    batcher: Batcher

    def generate(
        self,
        seed: Any,
        prompt: Any,
        style: Any,
        guidance: Any,
        temperature: Any,
        best_of: Any,
    ) -> ShownPair:
        """Draw the pair of one seed.

        Parameters:
            seed: whole number from 0 to 4294967295, or a word; the same gives the same pair for
                ever
            prompt: what to show, at most 500 characters; "" for nothing in particular
            style: one of the model's styles, or ""
            guidance: how literally a prompt is taken, 0 to 5
            temperature: 0 for the likeliest caption, up to 2 for a freer one
            best_of: 1 to 16; above 1, the best of so many candidates that follow from the seed
        Returns:
            the picture as PNG, a card that says how it was made; its caption; the seed of both;
            their match, so many of a hundred real pairs fit no better; and what else is to be
            known of the pair, "" where it is nothing
        """
        return self.shown_pair(seed, Conditions(prompt, style, guidance, temperature, best_of))

    def shown_pair(self, seed: Any, wanted: Conditions) -> ShownPair:
        """One pair as the plate shows it."""
        with messages(self.gr):
            first = parse_seed(seed)
            generator, config = request_config(self.find_generator(), wanted)
            (asked,) = self.batcher.pairs(generator, config, [first])
            pair = named_by_word(asked.result(), word_in(seed))
            path, facts = saved_card(generator, pair, self.cache)
            note = pair_note(generator, facts)
            return ShownPair(path, facts["caption"], facts["seed"], facts.get("match"), note)

    def batch(
        self,
        seed: Any,
        count: Any,
        prompt: Any,
        style: Any,
        guidance: Any,
        temperature: Any,
        best_of: Any,
    ) -> Iterator[tuple[list[GalleryRow], DrawnSheet]]:
        """Draw the pairs of consecutive seeds; with the Python client `submit` gives them as they
        come.

        Parameters:
            seed: the first seed, whole number from 0 to 4294967295, or a word; where seeds end, the
                sheet ends
            count: how many, 1 to 24
            prompt: what to show, at most 500 characters; "" for nothing in particular
            style: one of the model's styles, or ""
            guidance: how literally a prompt is taken, 0 to 5
            temperature: 0 for the likeliest captions, up to 2 for freer ones
            best_of: 1 to 16; above 1, each the best of so many candidates that follow from its seed
        Returns:
            the pictures as PNG, each with "seed N" and its match, a line break and its caption
        """
        with messages(self.gr):
            first = parse_seed(seed)
            length = whole_number(count, "How many", low=1, high=PAGE_MAX_SHEET)
            wanted = Conditions(prompt, style, guidance, temperature, best_of)
            generator, config = request_config(self.find_generator(), wanted)
            made = []
            for seeds in chunks(seeds_from(first, length), PAGE_AT_ONCE):
                made += seed_cards(
                    self.batcher, generator, config, seeds, self.cache, is_begun=bool(made)
                )
                drawn_seeds = [facts["seed"] for _, facts in made]
                yield seed_rows(made), DrawnSheet(drawn_seeds, config)

    def earlier(self, seed: Any, *conditions: Any) -> tuple[Any, ...]:
        """The seed before, and its ShownPair."""
        return self.stepped(seed, -1, conditions)

    def later(self, seed: Any, *conditions: Any) -> tuple[Any, ...]:
        """The seed after, and its ShownPair."""
        return self.stepped(seed, 1, conditions)

    def stepped(self, seed: Any, step: int, conditions: Sequence[Any]) -> tuple[Any, ...]:
        """A seed so many steps away, and its ShownPair; there is none below 0 and above the last.

        conditions: in the order of Conditions.
        """
        with messages(self.gr):
            reached = min(max(parse_seed(seed) + step, 0), LAST_SEED)
        return (str(reached), *self.shown_pair(reached, Conditions(*conditions)))

    def surroundings(
        self, seed: Any, caption: str, match: Any, remark: str, asked: Any, picture: Any = None
    ) -> tuple[Any, ...]:
        """What is said of a pair: alternative text, fit and remark where there are some, its word,
        its caption as code where it is that, a button to listen where it is a sound, and the clip
        that it is.

        asked: the seed as it was typed. picture: as its field sent it, None where there is none.
        """
        word = word_in(asked)
        if word and seed_of_word(word) != seed:
            word = ""
        medium = medium_of_page(self.find_generator)
        told = alternative_text(seed, caption, word)
        if medium == CLIP and picture:
            with messages(self.gr):
                sheet, *watching = watching_updates(self.gr, picture, self.cache, told)
        else:
            sheet, *watching = still_updates(self.gr, told)
        fit = self.gr.Textbox(fit_words(match), visible=match is not None)
        is_code = bool(caption) and writes_code(self.find_generator)
        code = shown_code(self.gr, caption, is_code=is_code)
        listening = listening_updates(self.gr, is_sound=medium == SOUND)
        note = self.gr.Textbox(visible=bool(remark))
        return sheet, fit, note, word, code, *listening, *watching

    def opened(self, query: Mapping[str, str]) -> tuple[Any, ...]:
        """ControlValues as the page's address has them, and the ShownPair that belongs to them.

        Where it names no seed, a good one.
        """
        values = controls_from_query(query)
        seed = values["seed"]
        wanted = Conditions(
            values["prompt"], values["style"], values["guidance"], values["temperature"]
        )
        try:
            generator = self.find_generator()
            styles = generator.styles
            seed = seed or str(self.batcher.call(lambda: opening_seed(generator)))
        except UserError:
            styles = [values["style"]] if values["style"] else []
            seed = seed or "0"
        try:
            pair = self.shown_pair(seed, wanted)
        except self.gr.Error:
            # no model, or a style of another one: the notice says it, or the next click
            pair = ShownPair()
        controls = ControlValues(
            seed=seed,
            prompt=values["prompt"],
            style=self.style_choice(styles, values["style"]),
            guidance=values["guidance"],
            temperature=values["temperature"],
        )
        return (*controls, *pair)

    def examples(self, shown: Any) -> Component:
        """Pictures of prompts; none where there is no model, or it knows no words.

        shown: what is there already.
        """
        if shown:
            return self.gr.skip()
        try:
            drawn = self.drawn_examples()
        except UserError:
            return self.gr.skip()
        rows = [(example.image, example.prompt) for example in drawn]
        return self.gr.Gallery(rows, visible=bool(rows))

    def drawn_examples(self) -> list[Example]:
        """The examples; UserError where there is no model."""
        generator = self.find_generator()
        return self.batcher.call(lambda: drawn_examples(generator))

    def example(self, place: int) -> ControlValues:
        """The controls of one of them. place: among those that are shown."""
        with messages(self.gr):
            drawn = self.drawn_examples()
            if place >= len(drawn):
                raise UserError("Click an example that is on show.")
            chosen = drawn[place]
            return ControlValues(
                seed=str(chosen.seed),
                prompt=chosen.prompt,
                style="",
                guidance=GUIDANCE,
                temperature=0,
            )

    def style_choice(self, styles: list[str], style: str) -> Component:
        """An update of the dropdown: all styles, one of them chosen."""
        return self.gr.Dropdown(choices=[(ANY_STYLE, ""), *styles], value=style)

    def card_opened(self, file: Any) -> tuple[Any, ...]:
        """A pair card -> its ControlValues, and the sentence that says whether it is true."""
        with messages(self.gr):
            path = uploaded(
                file,
                self.cache,
                "Bring a pair card: a PNG that was saved here, or by inference.py.",
            )
            generator = self.find_generator()
            facts, conditions = read_seed_card(path, generator.fingerprint)
            found = self.batcher.call(lambda: cards.differences(generator, path))
            verdict = (
                "The card is true: the model makes the same picture and the same caption again."
            )
            if found:
                verdict = f"The card is not true: {'; '.join(found)}."
            controls = ControlValues(
                seed=str(facts["seed"]),
                prompt=conditions.get("prompt", ""),
                style=self.style_choice(generator.styles, conditions.get("style", "")),
                guidance=conditions.get("guidance", GUIDANCE),
                temperature=conditions["temperature"],
            )
            return (*controls, self.gr.Textbox(verdict, visible=True))


def read_seed_card(path: str | Path, fingerprint: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A card of a seed -> its facts, and the conditions under which it was made.

    fingerprint: of the model that should have made it. UserError for any other file or card.
    """
    try:
        facts = cards.read_card(path)[1]
        conditions = cards.requested(facts)
    except (UserError, ValueError):
        raise UserError(
            "This is no pair card: it does not say how it was made. Cards are the pictures saved "
            "here, or by inference.py, as they were saved."
        ) from None
    if facts["fingerprint"] != fingerprint:
        raise UserError("This card was made by another model than the one that draws here.")
    if "seed" not in facts or "image" in facts:
        way = "made from a picture: see the tab Your picture"
        if {"from", "to"} <= facts.keys():
            way = f"a step from seed {facts['from']} to seed {facts['to']}: see the tab Morph"
        raise UserError(f"This card is not of a seed alone, but {way}.")
    return facts, conditions
