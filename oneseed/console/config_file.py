"""A YAML file of settings, each read as its flag would read it."""

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from oneseed.console.flags import ConfigClass, Field, add_flag, flag_of, option_fields
from oneseed.console.input_files import why_no_file
from oneseed.console.parser import Parser, nearest_hint

if TYPE_CHECKING:
    import yaml


class Sections(Protocol):
    """Keys of a file of settings that hold sections, and what these say as flat settings."""

    def is_section(self, name: str) -> bool:
        """Whether a top key is no flat setting."""

    def key_schemas(self) -> dict[str, dict[str, Any]]:
        """JSON schemas of the top keys that are no flat settings, or more than one."""

    def translated(
        self, sections: "list[tuple[yaml.ScalarNode, yaml.Node]]", given: Mapping[str, Any]
    ) -> Any:
        """-> settings: [(field, text, line)], and warnings: [(line, sentence)].

        given: the flat settings that hold beside the sections.
        ValueError with the attribute `line` for what cannot be read.
        """


def read_config(
    path: str | Path,
    kinds: Iterable[ConfigClass],
    prog: str,
    sections: Sections | None = None,
    *,
    flags: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """A YAML file of settings, each value read as its flag would read it.

    kinds: the dataclasses whose fields the file may set; prog: the script, for error sentences.
    sections: what nested sections mean; what they say otherwise is printed as warnings.
    flags: the settings of the command line, which win over the file.
    Ends the process with code 2 on an unknown key or a wrong value.
    """
    fields = option_fields(kinds)
    reader = Parser(prog=prog, allow_abbrev=False)
    reader.place = f"{path or repr(path)}: "
    reader.remedy = "--schema describes the file"
    for field in fields.values():
        add_flag(reader, field)
    given = argparse.Namespace()
    nested = []
    for key, value in read_mapping(path, reader).value:
        if sections and isinstance(key.value, str) and sections.is_section(key.value):
            nested.append((key, value))
            continue
        reader.place = f"{path}, line {key.start_mark.line + 1}: "
        name = key.value if isinstance(key.value, str) else "[…]"
        if name not in fields:
            reader.error(f"unknown setting {name!r}{nearest_hint(name, fields)}")
        if hasattr(given, name):
            reader.error(f"{name} stands there twice")
        reader.parse_args([as_flag(fields[name], value, reader)], given)
    if sections and nested:
        read_sections(path, nested, sections, flags=flags, reader=reader, given=given)
    return vars(given)


def read_sections(
    path: str | Path,
    nested: "list[tuple[yaml.ScalarNode, yaml.Node]]",
    sections: Sections,
    *,
    flags: Mapping[str, Any],
    reader: Parser,
    given: argparse.Namespace,
) -> None:
    """Adds what sections say to the settings that are given, and prints what they say in vain."""
    try:
        found = sections.translated(nested, {**vars(given), **flags})
    except ValueError as error:
        reader.place = f"{path}, line {getattr(error, 'line', 0)}: "
        reader.error(str(error))
    for name, text, line in found.settings:
        reader.place = f"{path}, line {line}: "
        if hasattr(given, name):
            reader.error(f"{name} stands there twice")
        reader.parse_args([f"{flag_of(name)}={text}"], given)
    for line, sentence in found.warnings:
        print(f"{path}, line {line}: {sentence}", file=sys.stderr)


def read_mapping(path: str | Path, reader: Parser) -> "yaml.MappingNode":
    """The nodes of a YAML file that holds one mapping; reader.error where it holds none.

    Nodes alone: a tag builds nothing, and 1e-3, which YAML takes for a text, stays as written.
    """
    import yaml

    if fault := why_no_file(path):
        reader.error(fault)
    try:
        root = yaml.compose(Path(path).read_bytes(), Loader=yaml.SafeLoader)
    except OSError as error:
        reader.error(str(error.strerror))
    except (yaml.YAMLError, RecursionError) as error:
        reader.error(f"no YAML, {' '.join(str(error).split())}")
    if not isinstance(root, yaml.MappingNode):
        reader.error("no list of settings and their values, such as batch_size: 32")
    return root


def as_flag(field: Field, node: "yaml.Node", reader: Parser) -> str:
    """One setting of a YAML file as it would stand on the command line."""
    import yaml

    name = field.name
    flag = flag_of(name)
    if not isinstance(node, yaml.ScalarNode) or node.tag.endswith(":null"):
        reader.error(f"{name} needs one value")
    if field.type is not bool:
        return f"{flag}={node.value}"
    is_on = yaml.SafeLoader.bool_values.get(node.value.lower())
    if is_on is None:
        reader.error(f"{name} is true or false, got {node.value!r}")
    return flag if is_on else f"--no-{flag.removeprefix('--')}"
