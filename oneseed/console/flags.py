"""Dataclass fields become flags, a YAML file of settings, and its schema.

@dataclass(frozen=True)
class DrawConfig(BaseConfig):
    seeds: str = option("0-9", "which seeds to draw")
    batch_size: int = option(8, "pictures at once", at_least=1)

# --help and wrong flags end here, before heavy imports
(config,) = parse_configs(DrawConfig, description=__doc__)
run(main, config)
"""

import argparse
import dataclasses
import json
import types
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oneseed.console.parser import JoinValues, OneValue, Parser
from oneseed.console.texts import fault_of_text

if TYPE_CHECKING:
    from oneseed.console.config_file import Sections

Field = dataclasses.Field[Any]
ConfigClass = type[Any]

JSON_TYPES: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Which numbers a setting may be. None: no bound of that kind."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    # why there is the lower bound, for the sentence of the error
    because: str = ""

    def hold(self, value: Any) -> bool:
        """True where the value lies within the bounds. NaN lies outside of every bound."""
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
        )

    def rule(self) -> str:
        """The bounds in words, such as "must be at least 1" or "goes from 0 to 5"."""
        if self.at_most is not None:
            return f"goes from {self.at_least} to {self.at_most}"
        if self.above is not None:
            return f"must be above {self.above}"
        assert self.at_least is not None, "a rule is asked for only where there is a bound"
        if self.at_least <= 0:
            return f"must be {self.at_least} or more"
        reason = f" ({self.because})" if self.because else ""
        return f"must be at least {self.at_least}{reason}"


def option(  # noqa: PLR0913 - each keyword is one property of a flag
    default: Any,
    note: str,
    *,
    choices: Sequence[Any] | None = None,
    kind: Callable[[str], Any] | None = None,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    because: str = "",
    several: bool = False,
    local: bool = False,
) -> Any:
    """A field of a config that is a flag.

    default: the value without the flag; None: no value.
    note: what `--help` and the schema say of it.
    choices: the only values that the flag takes.
    kind: turns the flag's text into the value; without it the field's annotation does.
    at_least, above, at_most: bounds of the value, which BaseConfig checks. A field with at_most
    has at_least too.
    because: why at_least is as it is, for the sentence of the error.
    several: the flag takes several values, and may be repeated; the field has all of them with
    commas between.
    local: the value is a folder of this machine, and no URL.
    """
    assert at_most is None or at_least is not None, f"{note}: at_most without at_least"
    bounds = Bounds(at_least, above, at_most, because)
    metadata = {
        "note": note,
        "choices": choices,
        "kind": kind,
        "bounds": bounds,
        "several": several,
        "local": local,
    }
    return dataclasses.field(default=default, metadata=metadata)


class BaseConfig:
    """Base of the config dataclasses: their values keep the bounds of their fields.

    A config whose fields depend on each other checks that in its own `__post_init__`, which calls
    this one too.
    """

    def __post_init__(self) -> None:
        """ValueError, one sentence that names the flag, for the first value out of bounds."""
        for name, field in option_fields([type(self)]).items():
            value = getattr(self, name)
            bounds: Bounds = field.metadata["bounds"]
            if name == "style" and value is not None:
                # a Mac types accents as letters of their own
                object.__setattr__(self, name, unicodedata.normalize("NFC", value))
            if field.metadata["local"] and "://" in str(value):
                raise ValueError(
                    f"{flag_of(name)} is a folder of this machine, and no URL, which only "
                    "training_loop.py reads; copy it first"
                )
            if value is not None and not bounds.hold(value):
                raise ValueError(f"{flag_of(name)} {bounds.rule()}, got {value}")


def flag_of(name: str) -> str:
    """Name of a field -> its flag: "batch_size" -> "--batch-size"."""
    return "--" + name.replace("_", "-")


def option_fields(kinds: Iterable[ConfigClass]) -> dict[str, Field]:
    """The fields of all dataclasses by name, without those that are no flags."""
    fields = {}
    for kind in kinds:
        for field in dataclasses.fields(kind):
            if "note" in field.metadata:
                fields[field.name] = field
    return fields


def plain_type(field: Field) -> type:
    """The type of a field's value: int of both `int` and `int | None`."""
    annotation: Any = field.type
    if not isinstance(annotation, types.UnionType):
        return annotation
    return next(kind for kind in annotation.__args__ if kind is not type(None))


def add_flag(parser: argparse.ArgumentParser, field: Field) -> None:
    """Adds the flag of one field, such as --batch-size, or --fresh with --no-fresh."""
    note = field.metadata["note"]
    flag = flag_of(field.name)
    if field.type is bool:
        parser.add_argument(
            flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=note
        )
        return
    plain = plain_type(field)
    kind = field.metadata["kind"]
    choices = field.metadata["choices"]
    is_several = field.metadata["several"]
    has_default = field.default not in (None, "")
    shown = f"{note} (default: {field.default})" if has_default else note
    parser.add_argument(
        flag,
        nargs="+" if is_several else None,
        action=JoinValues if is_several else OneValue,
        type=flag_reader(kind) if kind else plain,
        choices=choices,
        default=argparse.SUPPRESS,
        help=shown.replace("%", "%%"),
        metavar=None if choices else plain.__name__.upper(),
    )


def flag_reader(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Like kind, with a sentence that names what a wrong text is not.

    argparse would name the function: "invalid parse_image_size value".
    """
    what = getattr(kind, "__name__", "value").removeprefix("parse_")

    def read(text: str) -> Any:
        try:
            return kind(text)
        except (TypeError, ValueError) as error:
            raise argparse.ArgumentTypeError(f"invalid {what} value: {text!r}") from error

    return read


def schema(kinds: Iterable[ConfigClass], sections: "Sections | None" = None) -> dict[str, Any]:
    """JSON schema of the file that read_config reads with the same sections."""
    properties = {name: field_schema(field) for name, field in option_fields(kinds).items()}
    for name, found in (sections.key_schemas() if sections else {}).items():
        properties[name] = properties.get(name, {}) | found
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "settings of model and training",
        "description": "what a preset changes is its default there",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def field_schema(field: Field) -> dict[str, Any]:
    """JSON schema of one setting. A text too, where the flag has a reader of its own ("50M")."""
    kind = JSON_TYPES[plain_type(field)]
    found = {
        "description": field.metadata["note"],
        "type": [kind, "string"] if field.metadata["kind"] else kind,
        "default": field.default,
    }
    if choices := field.metadata["choices"]:
        found["enum"] = list(choices)
    return found


def parse_configs(
    *kinds: ConfigClass,
    description: str,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
    argv: Sequence[str] | None = None,
    file: Sequence[ConfigClass] = (),
    sections: "Sections | None" = None,
) -> tuple[Any, ...]:
    """Command line -> one config for each dataclass of `kinds`.

    A flag wins over the file of --config, the file over the preset, the preset over the default.
    description: docstring of the script; its first paragraph is the title of --help.
    presets: {name: {field: value}}, chosen by --preset.
    argv: the words of the command line; None: those of this process.
    file: the dataclasses whose fields the file of --config may set, also those that this script
    has no use for. sections: what its nested sections mean.
    Ends the process with code 2 on a wrong flag or value.
    """
    parser = build_parser(kinds, description, has_file=bool(file))
    given = vars(parser.parse_args(argv))
    if given.pop("schema", False):
        print(json.dumps(schema(file, sections), indent=1))
        raise SystemExit(0)
    refuse_broken_texts(given, parser)
    if (path := given.pop("config", None)) is not None:
        from oneseed.console.config_file import read_config

        given = read_config(path, file, parser.prog, sections, flags=given) | given
        parser.place = f"with {path}: "
        refuse_broken_texts(given, parser)
    usual_preset = next((kind.preset for kind in kinds if hasattr(kind, "preset")), None)
    preset = given.get("preset", usual_preset)
    values = {**(presets or {}).get(preset, {}), **given}
    try:
        built = {kind: build_config(kind, values) for kind in (*kinds, *file)}
    except ValueError as error:
        parser.error(str(error))
    return tuple(built[kind] for kind in kinds)


def refuse_broken_texts(given: Mapping[str, Any], parser: Parser) -> None:
    """parser.error for the first text with bytes that are no UTF-8, or with a zero byte.

    Words and paths alike: what is read, drawn, saved as JSON and printed as a command is UTF-8.
    """
    for name, value in given.items():
        if isinstance(value, str) and (fault := fault_of_text(value)):
            parser.error(f"{flag_of(name)} {value!r} {fault}")


def build_parser(kinds: Iterable[ConfigClass], description: str, *, has_file: bool) -> Parser:
    """The parser of a script's flags. has_file: with --config and --schema."""
    title, _, examples = description.partition("\n\n")
    parser = Parser(
        description=title,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if has_file:
        parser.add_argument(
            "--config",
            metavar="FILE",
            help="YAML file of settings, each by its flag's name with _ for -; a flag wins over it",
        )
        parser.add_argument(
            "--schema",
            action="store_true",
            help="print the JSON schema of that file, and nothing else",
        )
    for field in option_fields(kinds).values():
        add_flag(parser, field)
    return parser


def build_config(kind: ConfigClass, values: Mapping[str, Any]) -> Any:
    """A config with those values that are fields of it; ValueError for a wrong one."""
    names = [field.name for field in dataclasses.fields(kind)]
    return kind(**{name: values[name] for name in names if name in values})
