"""Dataclass fields become flags, a YAML file of settings, and its schema.

What every script shares with its user: flags made from dataclasses, one-sentence errors, progress, whole files.

@dataclass(frozen=True)
class Config:
    seeds: str = option("0-9", "which seeds to draw")

(config,) = parse(Config, description=__doc__)      # --help and wrong flags end here, before heavy imports
run(main, config)                                   # exit codes: 0 done, 1 the answer is no, 2 wrong input, 130/143 signals
"""

import argparse
import dataclasses
import difflib
import json
import re
import sys
import types
from pathlib import Path


def option(default, note, choices=None, kind=None):
    """A config field whose note `--help` prints. kind: callable that turns the flag's text into the value; else the annotation."""
    return dataclasses.field(
        default=default, metadata={"note": note, "choices": choices, "kind": kind}
    )


class Parser(argparse.ArgumentParser):
    """argparse that answers a wrong flag in one sentence with the nearest right one."""

    # where the wrong word stands, if not on the command line
    place = ""
    remedy = "--help lists the flags"

    def error(self, message):
        unknown = re.findall(r"--[\w-]+", message) if "unrecognized" in message else []
        nearest = [
            near
            for flag in unknown
            for near in difflib.get_close_matches(flag, self._option_string_actions, n=1)
        ]
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        print(
            f"error: {self.place}{message}{hint} (python {self.prog} {self.remedy})",
            file=sys.stderr,
        )
        raise SystemExit(2)


def option_fields(kinds):
    """-> {name: field} of all dataclasses, without the fields that are no flags."""
    return {
        field.name: field
        for kind in kinds
        for field in dataclasses.fields(kind)
        if "note" in field.metadata
    }


def plain_type(field):
    """int of `int | None`."""
    return (
        next(kind for kind in field.type.__args__ if kind is not type(None))
        if isinstance(field.type, types.UnionType)
        else field.type
    )


def add_flag(parser, field):
    flag = "--" + field.name.replace("_", "-")
    note = field.metadata["note"]
    shown = f"{note} (default: {field.default})" if field.default not in (None, "") else note
    if field.type is bool:
        parser.add_argument(
            flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=note
        )
        return
    plain = plain_type(field)
    parser.add_argument(
        flag,
        type=field.metadata["kind"] or plain,
        choices=field.metadata["choices"],
        default=argparse.SUPPRESS,
        help=shown.replace("%", "%%"),
        metavar=None if field.metadata["choices"] else plain.__name__.upper(),
    )


def read_config(path, kinds, prog):
    """YAML file of settings -> {field: value}, each value read as its flag would read it. Ends the process with code 2 on an
    unknown key or a wrong value."""
    import yaml

    fields = option_fields(kinds)
    given = argparse.Namespace()
    reader = Parser(prog=prog, allow_abbrev=False)
    reader.place = f"{path}: "
    reader.remedy = "--schema describes the file"
    for field in fields.values():
        add_flag(reader, field)
    try:
        # nodes alone: a tag builds nothing, and 1e-3, no number to YAML, is one to float()
        root = yaml.compose(Path(path).read_bytes(), Loader=yaml.SafeLoader)
    except OSError as error:
        reader.error(error.strerror)
    except (yaml.YAMLError, RecursionError) as error:
        reader.error(f"no YAML, {' '.join(str(error).split())}")
    if not isinstance(root, yaml.MappingNode):
        reader.error("no list of settings and their values, such as batch_size: 32")
    for key, value in root.value:
        reader.place = f"{path}, line {key.start_mark.line + 1}: "
        name = key.value if isinstance(key, yaml.ScalarNode) else "[…]"
        flag = name.replace("_", "-")
        if name not in fields:
            nearest = difflib.get_close_matches(name, fields, n=1)
            reader.error(
                f"unknown setting {name!r}" + (f"; did you mean {nearest[0]}?" if nearest else "")
            )
        if hasattr(given, name):
            reader.error(f"{name} stands there twice")
        if not isinstance(value, yaml.ScalarNode) or value.tag.endswith(":null"):
            reader.error(f"{name} needs one value")
        if fields[name].type is not bool:
            reader.parse_args([f"--{flag}={value.value}"], given)
        elif (on := yaml.SafeLoader.bool_values.get(value.value.lower())) is not None:
            reader.parse_args([f"--{flag}" if on else f"--no-{flag}"], given)
        else:
            reader.error(f"{name} is true or false, got {value.value!r}")
    return vars(given)


def schema(kinds):
    """JSON schema of the file that read_config reads."""
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    properties = {}
    for name, field in option_fields(kinds).items():
        kind = names[plain_type(field)]
        choices = field.metadata["choices"]
        properties[name] = {
            "description": field.metadata["note"],
            "type": [kind, "string"] if field.metadata["kind"] else kind,
            "default": field.default,
            **({"enum": list(choices)} if choices else {}),
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "settings of model and training",
        "description": "what a preset changes is its default there",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def parse_configs(*kinds, description, presets=None, argv=None, file=()):
    """Command line -> one config per dataclass of `kinds`. A flag given by the user wins over the file of --config, the file over
    the preset, the preset over the dataclass. presets: {name: {field: value}}, chosen by --preset. file: the dataclasses whose
    fields that file may set, also those that this script has no use for. Ends the process with code 2 on a wrong flag or value."""
    title, _, examples = description.partition("\n\n")
    parser = Parser(
        description=title,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if file:
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
    given = vars(parser.parse_args(argv))
    if given.pop("schema", False):
        print(json.dumps(schema(file), indent=1))
        raise SystemExit(0)
    if path := given.pop("config", None):
        given = read_config(path, file, parser.prog) | given
        parser.place = f"with {path}: "
    preset = given.get(
        "preset", next((kind.preset for kind in kinds if hasattr(kind, "preset")), None)
    )
    values = {**(presets or {}).get(preset, {}), **given}
    try:
        built = {
            kind: kind(
                **{
                    field.name: values[field.name]
                    for field in dataclasses.fields(kind)
                    if field.name in values
                }
            )
            for kind in (*kinds, *file)
        }
        return tuple(built[kind] for kind in kinds)
    except ValueError as error:
        parser.error(str(error))
