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

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from oneseed.config.hub import SpaceConfig
from oneseed.console.command import UserError, run
from oneseed.console.flags import parse_configs
from oneseed.dataset.commands import DEFAULT_DATA, python_name
from oneseed.dataset.next_run import require_checkpoint
from oneseed.export.repository import Repository, front_matter, send
from oneseed.files import whole_file, write_text

# what the Hub draws its tile with
TILE = {"emoji": "\N{FRAME WITH PICTURE}", "colorFrom": "gray", "colorTo": "yellow"}


def main(argv: Sequence[str]) -> NoReturn:
    """The command. argv: its flags."""
    (config,) = parse_configs(SpaceConfig, description=__doc__, argv=argv)
    run(export_space, config)


def export_space(config: SpaceConfig) -> None:
    """Writes the folder, and sends it where --push says so."""
    folder = Path(config.out)
    files = write_static(folder, config) if config.kind == "static" else write_page(folder, config)
    size = sum((folder / name).stat().st_size for name in files)
    print(f"{folder.as_posix()}/: {len(files)} files, {size / 1e6:.1f} MB")
    if config.push:
        place = Repository(config.push, config.kind, config.private, config.create_pr)
        print(f"sent: {send(folder, files, place)}")
    elif config.kind == "gradio":
        print(f"next: {python_name()} {folder.as_posix()}/app.py, or send it with --push")


def write_static(folder: Path, config: SpaceConfig) -> list[str]:
    """Writes a page that the browser runs -> the names of the files in the folder."""
    page = Path(config.web)
    if not (page / "index.html").is_file():
        raise UserError(
            f"{page.as_posix()} holds no page (index.html); write one: "
            f"{python_name()} -m oneseed.export web --out {page.as_posix()}"
        )
    if folder.resolve().is_relative_to(page.resolve()):
        raise UserError(f"--out {folder.as_posix()} lies within --web; name another folder")
    files = [file.relative_to(page).as_posix() for file in page.rglob("*") if file.is_file()]
    head = {"sdk": "static", "app_file": "index.html"}
    return [*copy_files(page, folder, files), *write_readme(folder, config, head)]


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
    copy_files(PROGRAM, folder, needed.files)
    MultimodalGenerator(config.checkpoint, "cpu").save_pretrained(folder / MODEL_FOLDER)
    write_text(folder / APP_FILE, APP)
    write_text(folder / REQUIREMENTS_FILE, requirements(needed.libraries))
    model = [f"{MODEL_FOLDER}/{name}" for name in MODEL_FILES]
    readme = write_readme(folder, config, head_of_gradio(config.checkpoint))
    return [APP_FILE, REQUIREMENTS_FILE, *needed.files, *model, *readme]


def copy_files(source: Path, folder: Path, files: Sequence[str]) -> Sequence[str]:
    """Copies files by their names within the source -> the names."""
    for name in files:
        with whole_file(folder / name, sync=False) as partial:
            shutil.copyfile(source / name, partial)
    return files


def write_readme(folder: Path, config: SpaceConfig, head: dict[str, object]) -> list[str]:
    """Writes README.md -> its name, in a list. head: what the kind of Space adds to its head."""
    text = front_matter({"title": config.title, **TILE, **head, "license": config.license})
    words = "Each seed gives a picture and the caption that belongs to it."
    write_text(folder / "README.md", f"{text}# {config.title}\n\n{words}\n")
    return ["README.md"]
