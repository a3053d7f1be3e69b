"""What every script shares with its user: flags made from dataclasses, one-sentence errors, progress, whole files.

@dataclass(frozen=True)
class Config:
    seeds: str = option("0-9", "which seeds to draw")

(config,) = parse(Config, description=__doc__)      # --help and wrong flags end here, before heavy imports
run(main, config)                                   # exit codes: 0 done, 1 the answer is no, 2 wrong input, 130/143 signals
"""

import argparse
import contextlib
import dataclasses
import difflib
import errno
import json
import os
import re
import signal
import sys
import threading
import types
from pathlib import Path


class UserError(Exception):
    """A sentence for the user: what is wrong and the command that mends it. code: exit status, 2 for wrong or missing
    input, 1 where the work was done and its answer is no."""

    def __init__(self, sentence, code=2):
        super().__init__(sentence)
        self.code = code


class Terminated(BaseException):
    """SIGTERM arrived; like KeyboardInterrupt it passes every `except Exception`."""


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


def noted(kinds):
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

    fields = noted(kinds)
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
    for name, field in noted(kinds).items():
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


def parse(*kinds, description, presets=None, argv=None, file=()):
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
    for field in noted(kinds).values():
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


def run(main, *configs):
    """main(*configs), then exit with its status; every foreseen end is one sentence on stderr, never a traceback."""

    def terminate(number, frame):
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        code = main(*configs) or 0
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.code
    except KeyboardInterrupt:
        print(
            "\ninterrupted; finished work is kept, run the same command again to go on",
            file=sys.stderr,
        )
        code = 130
    except Terminated:
        print(
            "\nterminated; finished work is kept, run the same command again to go on",
            file=sys.stderr,
        )
        code = 143
    except BrokenPipeError:
        # `… | head` closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        if error.errno not in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EROFS,
            errno.EACCES,
            errno.EPERM,
            errno.EFBIG,
            errno.EEXIST,
            errno.ENOTDIR,
            errno.EIO,
        ):
            raise
        print(
            f"error: {error.filename or 'writing'}: {error.strerror}; files written before are whole, free or allow the place and run the same command again",
            file=sys.stderr,
        )
        code = 1
    raise SystemExit(code)


@contextlib.contextmanager
def unbroken():
    """SIGINT and SIGTERM wait until the block is done: what must not stay half done is done whole, or not begun."""
    # no signal arrives elsewhere
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting = []
    before = {
        number: signal.signal(number, lambda number, frame: waiting.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if waiting:
        signal.raise_signal(waiting[0])


@contextlib.contextmanager
def whole_file(path, sync=True):
    """A temporary name beside `path` to write to; renamed to `path` when all went well, removed otherwise, so that a
    killed run leaves the old file whole. sync=False: survives a kill, but a power cut may leave it empty; for thousands of
    small files that can be made again, where waiting for the disk took half of the time."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        if sync:
            with open(partial, "rb+") as file:
                os.fsync(file.fileno())
        partial.replace(path)
        # the new name, too
        if sync and os.name == "posix":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        # a full disk does not say whose file it was
        error.filename = error.filename or str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def write_text(path, text):
    """Whole-file write of UTF-8 text."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def progress(items=None, *, label, total=None, unit="picture", initial=0):
    """tqdm on stderr with rate and time left; into a log file it prints a line every 10 seconds instead of redrawing."""
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    return tqdm(
        items,
        desc=label,
        total=total,
        unit=f" {unit}s",
        initial=initial,
        dynamic_ncols=terminal,
        mininterval=0.2 if terminal else 10,
        maxinterval=10,
        leave=True,
        smoothing=0.1,
    )
