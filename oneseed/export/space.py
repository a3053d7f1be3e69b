"""A page as a Space: a repository of the Hugging Face Hub that the Hub serves.

Reads   checkpoints/best_model.pt       --kind gradio
        outputs/web/                    --kind static; python -m oneseed.export web writes it
Writes  outputs/space/  README.md, in whose head the Hub reads what to start
                        gradio: app.py, requirements.txt, the model, the modules of the page
                        static: the files of the page

    python -m oneseed.export space --checkpoint base            # looks, sends nothing
    python outputs/space/app.py                                 # the same page here, port 7860
    python -m oneseed.export space --push anna/seeds            # after hf auth login
    python -m oneseed.export space --kind static --web outputs/web --push anna/seeds-in-a-browser

A static one needs no Python there, is never asleep and has no queue. A Gradio one has prompts,
pictures of one's own and the collection's tools, and draws on the processor of the Hub.
"""

import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from oneseed.config.hub import SpaceConfig
from oneseed.console.command import UserError, run
from oneseed.console.flags import parse_configs
from oneseed.dataset.commands import DEFAULT_DATA, flag, python_name
from oneseed.dataset.next_run import require_checkpoint
from oneseed.export.repository import (
    CARD_FILE,
    Repository,
    front_matter,
    is_edited,
    send,
    write_card,
)
from oneseed.files import whole_file, write_text

# what the Hub draws its tile with
TILE = {"emoji": "\N{FRAME WITH PICTURE}", "colorFrom": "gray", "colorTo": "yellow"}
# the line in the head of README.md that says which kind a Space is
KIND_LINE = re.compile(r'^sdk: "(\w+)"$', re.MULTILINE)


def main(argv: Sequence[str]) -> NoReturn:
    """The command. argv: its flags."""
    (config,) = parse_configs(SpaceConfig, description=__doc__, argv=argv)
    run(export_space, config)


def export_space(config: SpaceConfig) -> None:
    """Writes the folder, and sends it where --push says so."""
    folder = Path(config.out)
    require_space_folder(folder, config.kind)
    files = write_static(folder, config) if config.kind == "static" else write_page(folder, config)
    size = sum((folder / name).stat().st_size for name in files)
    print(f"{folder.as_posix()}/: {len(files)} files, {size / 1e6:.1f} MB")
    if config.push:
        place = Repository(config.push, config.kind, config.private, config.create_pr)
        print(f"sent: {send(folder, files, place)}")
    elif config.kind == "gradio":
        app = shlex.quote(f"{folder.as_posix()}/app.py")
        print(f"next: {python_name()} {app}, or send it with --push")


def require_space_folder(folder: Path, kind: str) -> None:
    """UserError where a folder is neither empty nor such a Space, or has an edited head of another.

    kind: one of SPACE_KINDS.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    card = folder / CARD_FILE
    text = card.read_text("utf-8", "replace") if card.is_file() else ""
    found = KIND_LINE.search(text)
    if not found:
        raise UserError(
            f"{folder.as_posix()} is there and no Space that this command wrote; name another "
            "folder with --out"
        )
    if is_edited(card) and found[1] != kind:
        raise UserError(
            f"{card.as_posix()} was edited, and is of a Space of --kind {found[1]}; name another "
            "folder with --out"
        )


def write_static(folder: Path, config: SpaceConfig) -> list[str]:
    """Writes a page that the browser runs -> the names of the files in the folder."""
    page = Path(config.web)
    if not (page / "index.html").is_file():
        raise UserError(
            f"{page.as_posix()} holds no page (index.html); write one: "
            f"{python_name()} -m oneseed.export web {flag('out', page)}"
        )
    if folder.resolve().is_relative_to(page.resolve()):
        raise UserError(f"--out {folder.as_posix()} lies within --web; name another folder")
    found = [file.relative_to(page).as_posix() for file in page.rglob("*") if file.is_file()]
    files = [name for name in found if name != CARD_FILE]
    head = {"sdk": "static", "app_file": "index.html"}
    return [*write_readme(folder, config, head), *copy_files(page, folder, files)]


def write_page(folder: Path, config: SpaceConfig) -> list[str]:
    """Writes a page that Python runs, with all it needs -> the names of the files in the folder."""
    require_checkpoint(config.checkpoint, DEFAULT_DATA)
    # torch comes with it
    from oneseed.export.space_files import (
        APP,
        APP_FILE,
        MODEL_FOLDER,
        PROGRAM,
        REQUIREMENTS_FILE,
        head_of_gradio,
        needed_files,
        requirements,
    )
    from oneseed.generation.generator import MultimodalGenerator
    from oneseed.hub_models import MODEL_FILES

    needed = needed_files()
    # first: it says whose the folder is, also where a run is killed
    readme = write_readme(folder, config, head_of_gradio(config.checkpoint))
    copy_files(PROGRAM, folder, needed.files)
    MultimodalGenerator(config.checkpoint, "cpu").save_pretrained(folder / MODEL_FOLDER)
    write_text(folder / APP_FILE, APP)
    write_text(folder / REQUIREMENTS_FILE, requirements(needed.libraries))
    model = [f"{MODEL_FOLDER}/{name}" for name in MODEL_FILES]
    return [APP_FILE, REQUIREMENTS_FILE, *needed.files, *model, *readme]


def copy_files(source: Path, folder: Path, files: Sequence[str]) -> Sequence[str]:
    """Copies files by their names within the source -> the names."""
    for name in files:
        with whole_file(folder / name, sync=False) as partial:
            shutil.copyfile(source / name, partial)
    return files


def write_readme(folder: Path, config: SpaceConfig, head: dict[str, object]) -> list[str]:
    """Writes the card -> its name, in a list. head: what the kind of Space adds to its head."""
    text = front_matter({"title": config.title, **TILE, **head, "license": config.license})
    words = "Each seed gives a picture and the caption that belongs to it."
    write_card(folder, f"{text}# {config.title}\n\n{words}\n")
    return [CARD_FILE]
