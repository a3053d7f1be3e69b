"""A file of settings may say what is wanted in sections; here they become the flat settings.

    modality: {outputs: [audio, text]}
    constraints: {parameter_budget: {max: 8M}, memory_budget: 4GB}
    architecture: {family: hybrid}
    training: {objective: [reconstruction, autoregressive, contrastive]}
    reproducibility: {seed: 0}

Nothing is dropped silently. What this project does otherwise is a warning with its line; a key that
nobody knows is an error with the nearest one; what nothing is left of is an error too. Flat keys,
such as batch_size, stay what they are.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oneseed.config.model import PRESETS
from oneseed.config.options import parse_parameter_count
from oneseed.config.spec_words import (
    DESCRIBING_KEYS,
    ENCODER_OF_FAMILY,
    FIXED,
    KNOWN_MODALITIES,
    OTHER_FAMILIES,
    PRESET_OF_INTENT,
    TRAINED_OBJECTIVES,
)
from oneseed.console.amounts import parse_amount
from oneseed.console.parser import nearest_hint
from oneseed.media.kinds import PICTURE, SOUND

if TYPE_CHECKING:
    import yaml


@dataclass
class Translation:
    """What the sections of a file say, as flat settings.

    settings: (field, text of its value, line). warnings: (line, sentence). Lines count from 1.
    """

    settings: list[tuple[str, str, int]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)
    # what depends on the medium that is made, which stands anywhere in the file
    of_medium: list[Callable[[str], None]] = field(default_factory=list)

    @property
    def medium(self) -> str:
        """What is made, as far as the sections say."""
        return next((text for name, text, _ in self.settings if name == "medium"), PICTURE)

    def set(self, name: str, text: str, line: int) -> None:
        """A setting, as its flag would have it."""
        self.settings.append((name, text, line))

    def warn(self, line: int, sentence: str) -> None:
        """Something that is done otherwise."""
        self.warnings.append((line, sentence))


class SpecError(ValueError):
    """A sentence on what is wrong with a spec. line: of the file, from 1."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line


Handler = Callable[["yaml.Node", int, Translation], None]


def translated(
    sections: "list[tuple[yaml.ScalarNode, yaml.Node]]", given: Mapping[str, Any]
) -> Translation:
    """The sections of a file, and the keys that describe it, as flat settings.

    sections: (key, value) of each key that is_section names. given: the flat settings beside them.
    SpecError for what cannot be read.
    """
    found = Translation()
    for key, node in sections:
        line = line_of(key)
        if key.value in DESCRIBING_KEYS:
            continue
        if key.value in TOP_KEYS:
            TOP_KEYS[key.value](node, line, found)
            continue
        for own_key, value in pairs_of(key.value, node, line):
            own_line = line_of(own_key)
            handlers = SPEC_SECTIONS[key.value]
            handler = handlers.get(own_key.value)
            if handler is None:
                hint = nearest_hint(own_key.value, handlers)
                raise SpecError(own_line, f"unknown key {key.value}.{own_key.value}{hint}")
            handler(value, own_line, found)
    for settle in found.of_medium:
        settle(given.get("medium") or found.medium)
    return found


def form_of(node: "yaml.Node") -> str:
    """Whether a node is a "mapping", a "sequence" or a "scalar"."""
    return type(node).__name__.removesuffix("Node").lower()


def line_of(node: "yaml.Node") -> int:
    """The line on which a node begins, from 1."""
    assert node.start_mark is not None, "nodes of a file know where they stand"
    return node.start_mark.line + 1


def is_section(name: str) -> bool:
    """Whether a top key of a file belongs to a spec, and is no flat setting."""
    return name in SPEC_SECTIONS or name in TOP_KEYS or name in DESCRIBING_KEYS


def key_schemas() -> dict[str, dict[str, Any]]:
    """JSON schemas of those keys: which keys a section has. What they take, the reader says."""
    found: dict[str, dict[str, Any]] = {name: {} for name in DESCRIBING_KEYS}
    found |= {name: {"enum": [*PRESETS, *PRESET_OF_INTENT]} for name in TOP_KEYS}
    for name, handlers in SPEC_SECTIONS.items():
        keys = dict.fromkeys(handlers, True)
        found[name] = {"type": "object", "properties": keys, "additionalProperties": False}
    return found


def pairs_of(
    name: str, node: "yaml.Node", line: int
) -> "Iterator[tuple[yaml.ScalarNode, yaml.Node]]":
    """The pairs of a mapping. SpecError where a node is none."""
    if form_of(node) != "mapping":
        raise SpecError(line, f"{name} needs keys of its own, such as {name}: {{...}}")
    for key, value in node.value:
        if form_of(key) != "scalar":
            raise SpecError(line_of(key), f"a key of {name} is a word")
        yield key, value


def listed_words(name: str, node: "yaml.Node", line: int) -> list[str]:
    """The words of a list, or of one word, in lower case."""
    nodes = node.value if form_of(node) == "sequence" else [node]
    if not all(form_of(one) == "scalar" for one in nodes):
        raise SpecError(line, f"{name} needs a word or a list of words")
    return [one.value.lower() for one in nodes]


def word_of(name: str, node: "yaml.Node", line: int) -> str:
    """One word, as it stands there."""
    if form_of(node) != "scalar" or node.tag.endswith(":null"):
        raise SpecError(line, f"{name} needs one value")
    return str(node.value)


# ---- handlers ------------------------------------------------------------------------------------


def as_setting(name: str) -> Handler:
    """A key that is a flat setting under this name."""

    def handle(node: "yaml.Node", line: int, found: Translation) -> None:
        found.set(name, word_of(name, node, line), line)

    return handle


def without_effect(sentence: str) -> Handler:
    """A key that is known, and does nothing here; the sentence says what holds."""

    def handle(node: "yaml.Node", line: int, found: Translation) -> None:
        found.warn(line, sentence)

    return handle


def outputs(node: "yaml.Node", line: int, found: Translation) -> None:
    """What is made: one medium, and always its caption."""
    media = []
    unknown = []
    for word in listed_words("modality.outputs", node, line):
        if word not in KNOWN_MODALITIES:
            unknown.append(word)
        elif medium := KNOWN_MODALITIES[word]:
            media.append(medium)
    if unknown and not media:
        raise SpecError(
            line, f"of {unknown[0]} nothing is left to make: pictures, sounds or clips are"
        )
    for word in unknown:
        found.warn(line, f"{word} is not made here; {media[0]} and caption are")
    if not media:
        found.warn(line, "a picture comes along: captions alone are what --image gives")
        return
    for other in dict.fromkeys(media[1:]):
        if other != media[0]:
            found.warn(line, f"one medium a model: {media[0]} is made, {other} is not")
    found.set("medium", media[0], line)


def inputs(node: "yaml.Node", line: int, found: Translation) -> None:
    """What is brought: words and the model's own medium are always taken."""
    words = listed_words("modality.inputs", node, line)

    def settle(medium: str) -> None:
        for word in words:
            if KNOWN_MODALITIES.get(word, "") not in (None, medium):
                found.warn(line, f"{word} is not taken; prompts and {medium}s are")

    found.of_medium.append(settle)


def parameter_budget(node: "yaml.Node", line: int, found: Translation) -> None:
    """A number, or max and min."""
    name = "constraints.parameter_budget"
    if form_of(node) != "mapping":
        found.set("parameters", word_of(name, node, line), line)
        return
    bounds = {}
    for key, value in pairs_of(name, node, line):
        if key.value not in ("max", "min"):
            hint = nearest_hint(key.value, ("max", "min"))
            raise SpecError(line_of(key), f"unknown key {name}.{key.value}{hint}")
        bounds[key.value] = amount_of(parse_parameter_count, word_of(name, value, line), line)
    least = bounds.get("min", 0)
    # widths come in steps: a model has .95 to 1 of its budget
    most = bounds.get("max") or -(-least * 100 // 95)
    if least > most:
        raise SpecError(line, f"{name}: min {least:,} is above max {most:,}")
    if least > 0.95 * most:
        found.warn(line, f"a model has 95 to 100 % of {most:,} parameters, which may be below min")
    found.set("parameters", str(most), line)


def memory_budget(node: "yaml.Node", line: int, found: Translation) -> None:
    """Bytes that a training step may hold."""
    text = word_of("constraints.memory_budget", node, line)
    amount_of(parse_amount, text, line)
    found.set("memory_budget", text, line)


def amount_of(reader: Callable[[str], Any], text: str, line: int) -> Any:
    """reader(text). SpecError with its sentence where it cannot."""
    try:
        return reader(text)
    except ValueError as error:
        raise SpecError(line, str(error)) from None


def family(node: "yaml.Node", line: int, found: Translation) -> None:
    """Which networks look at pictures."""
    word = word_of("architecture.family", node, line).lower()
    if word in OTHER_FAMILIES:
        found.warn(line, OTHER_FAMILIES[word])
    elif word not in ENCODER_OF_FAMILY:
        hint = nearest_hint(word, (*ENCODER_OF_FAMILY, *OTHER_FAMILIES))
        raise SpecError(line, f"unknown family {word!r}{hint}")
    found.set("encoder", ENCODER_OF_FAMILY.get(word, "vit"), line)


def fusion(node: "yaml.Node", line: int, found: Translation) -> None:
    """How picture and caption come together."""
    word = word_of("architecture.fusion", node, line).lower()
    if word not in ("late", "contrastive", "shared_latent"):
        found.warn(line, f"fusion {word}: no network here looks at both; they share one latent")


def objectives(node: "yaml.Node", line: int, found: Translation) -> None:
    """All three are always trained."""
    words = listed_words("training.objective", node, line)
    for word in words:
        if word not in TRAINED_OBJECTIVES:
            found.warn(line, f"objective {word} is not trained here")
    named = {TRAINED_OBJECTIVES[word] for word in words if word in TRAINED_OBJECTIVES}
    more = [part for part in ("reconstruction", "captions", "contrast") if part not in named]
    if more:
        found.warn(line, f"a list switches nothing off: {' and '.join(more)} are trained, too")


def precision(node: "yaml.Node", line: int, found: Translation) -> None:
    """bf16 stands for every half."""
    word = word_of("training.precision", node, line).lower()
    known = {"float32": "fp32", "32": "fp32", "bfloat16": "bf16", "mixed": "auto"}
    if word in ("fp16", "float16", "16"):
        found.warn(line, "fp16 is not trained in; bf16 is taken")
        word = "bf16"
    found.set("precision", known.get(word, word), line)


def fixed_value(name: str) -> Handler:
    """A setting of sounds or clips that has one value."""

    def handle(node: "yaml.Node", line: int, found: Translation) -> None:
        if word_of(name, node, line).replace("_", "") != str(FIXED[name]):
            found.warn(line, f"{name} is {FIXED[name]:,} here")

    return handle


def num_channels(node: "yaml.Node", line: int, found: Translation) -> None:
    """Of pictures and clips grey or RGB; a sound has one."""
    word = word_of("num_channels", node, line)

    def settle(medium: str) -> None:
        if medium != SOUND and word in ("1", "3"):
            found.set("channels", word, line)
        elif word != "1":
            found.warn(line, f"num_channels is {'1' if medium == SOUND else '1 or 3'} here")

    found.of_medium.append(settle)


def preset(node: "yaml.Node", line: int, found: Translation) -> None:
    """By size, or by what it is for."""
    word = word_of("preset", node, line)
    found.set("preset", PRESET_OF_INTENT.get(word, word), line)


# keys that stand alone
TOP_KEYS: dict[str, Handler] = {"preset": preset, "intent": preset}
TIMED_KEYS: dict[str, Handler] = {
    **{name: fixed_value(name) for name in FIXED},
    "num_channels": num_channels,
    "n_mels": as_setting("image_size"),
    "duration": without_effect(
        "a sound is as long as its square, 128 px 2.0 s, 512 px 8.2 s, and a clip 2.0 s"
    ),
}
SPEC_SECTIONS: dict[str, dict[str, Handler]] = {
    "modality": {
        "inputs": inputs,
        "outputs": outputs,
        "image_size": as_setting("image_size"),
        **TIMED_KEYS,
    },
    "constraints": {
        "parameter_budget": parameter_budget,
        "memory_budget": memory_budget,
        "image_size": as_setting("image_size"),
        "resolution": as_setting("image_size"),
        "device": as_setting("device"),
        "precision": precision,
        "max_caption_length": as_setting("max_caption_length"),
        "context_window": as_setting("max_caption_length"),
        **dict.fromkeys(
            ("latency", "throughput", "flops"),
            without_effect("speed is measured, not promised: --plan says what a run will take"),
        ),
    },
    "architecture": {
        "family": family,
        "fusion": fusion,
        "latent_dim": as_setting("latent_dim"),
        "width": as_setting("width"),
        "hidden_size": as_setting("text_width"),
        "num_layers": as_setting("text_layers"),
        "num_heads": as_setting("text_heads"),
        "vocab_size": as_setting("vocab_size"),
        "encoder": as_setting("encoder"),
        "context_window": as_setting("max_caption_length"),
        "variant": without_effect("there are no variants: the family says all"),
        "patch_size": without_effect(
            "the pixels that a convolution handles at once are the flat setting patch"
        ),
        "activation": without_effect("the activations are fixed"),
        "dropout": without_effect("dropout is fixed"),
    },
    "training": {
        "objective": objectives,
        "objectives": objectives,
        "batch_size": as_setting("batch_size"),
        "learning_rate": as_setting("learning_rate"),
        "epochs": as_setting("num_epochs"),
        "num_epochs": as_setting("num_epochs"),
        "accumulate": as_setting("accumulate"),
        "gradient_accumulation": as_setting("accumulate"),
        "patience": as_setting("patience"),
        "precision": precision,
        "style": as_setting("style"),
        "preset": preset,
        "data": without_effect(
            "the collection is named by the flat settings style and data, once it is prepared"
        ),
        "dataset": without_effect(
            "the collection is named by the flat settings style and data, once it is prepared"
        ),
        "optimizer": without_effect("matrices are trained by Muon, all else by AdamW"),
        "scheduler": without_effect("the learning rate is constant and falls to zero at the end"),
        "weight_decay": as_setting("weight_decay"),
    },
    "reproducibility": {
        "seed": as_setting("seed"),
        "deterministic": without_effect(
            "on one processor a run repeats bit for bit; GPUs differ in the last digits"
        ),
    },
}
