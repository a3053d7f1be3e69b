"""The tab Collection.

The tab Collection: the prepared pictures with their captions; where the visitor may, captions are mended and bad pictures left out.
"""

import functools
import html
import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.curation import SHOWS, change_row, matching_rows, row_kind
from oneseed.page.events import messages, sheet_of_pairs, with_stop_button
from oneseed.page.inputs import FILES_TASK, QUIET_EVENT, one_line, one_of, uploaded

ROOT = Path(__file__).resolve().parents[2]
# pictures; pixels
ROWS_ON_A_PAGE = 24
THUMBNAIL_SIDE = 256
# characters
PAGE_MAX_CAPTION = 1000
PAGE_MAX_SEARCH = 200


def collections(data):
    """Names of the prepared collections."""
    return sorted(
        path.name.removesuffix("_metadata.json")
        for path in (Path(data) / "metadata").glob("*_metadata.json")
    )


@functools.lru_cache(2)
def read_once(style, data, changed):
    return Collection(style, data).read_metadata()


def rows_of(collection, data):
    """The collection's rows, read again when the file has changed; not to be written to."""
    return (
        read_once(collection.style, data, collection.metadata.stat().st_mtime_ns)
        if collection.metadata.exists()
        else collection.read_metadata()
    )


def row_thumbnail(collection, row, side=THUMBNAIL_SIDE):
    """A row's picture, small, as a PIL image; a blank one where the file is gone or damaged."""
    try:
        with Image.open(collection.resized / Path(row["filename"]).name) as image:
            image.thumbnail((side, side))
            return image.convert("RGB")
    except OSError:
        return Image.new("RGB", (side, side), "white")


def collection_facts(row):
    """What is known of a picture, as one line."""
    who = (
        f"caption by {row['captioner']}"
        if row.get("captioner")
        else "the collection's own caption, or written by hand"
        if row.get("caption")
        else "no caption"
    )
    return f"{row['id']} · {row['width']:,} × {row['height']:,} · from {row['source']} · {row_kind(row) or 'not dealt yet'} · {who}"


def check_archive(path):
    """Runs the check of dataset_preparation.py on an archive in a process of its own -> generator of (what it says so far, its page as HTML or ""). Nothing is
    prepared; the process ends with the generator."""
    with tempfile.TemporaryDirectory(prefix="check-") as folder:
        command = [
            sys.executable,
            str(ROOT / "dataset_preparation.py"),
            "--check",
            "--source",
            path,
            "--style",
            "all",
            "--data",
            folder,
        ]
        with open(Path(folder) / "said", "w+", encoding="utf-8") as said:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                env=os.environ | {"TQDM_DISABLE": "1"},
            )
            try:
                for second in itertools.count(1):
                    try:
                        process.wait(1)
                        break
                    except subprocess.TimeoutExpired:
                        yield f"looking at it, {second} s", ""
            finally:
                process.kill()
                process.wait()
            said.seek(0)
            lines = [
                line
                for line in said.read().splitlines()
                if not line.lstrip().startswith(("files:", "next:"))
            ]
        page = Collection("all", folder).check.with_suffix(".html")
        yield (
            "\n".join(lines).replace(str(path), Path(path).name).strip(),
            page.read_text("utf-8") if page.exists() else "",
        )


def collection_tab(gr, tab, data, usual, editable):
    """Fills the tab. usual(): name of the collection to begin with. editable: may visitors change files?"""
    with gr.Row(elem_classes="line", elem_id="filters"):
        style = gr.Dropdown(
            [],
            label="Collection",
            filterable=False,
            elem_id="collection-style",
            min_width=140,
            scale=1,
            visible=False,
        )
        words = gr.Textbox(
            label="Words of the caption",
            placeholder="any",
            max_lines=1,
            max_length=PAGE_MAX_SEARCH,
            elem_id="words-wanted",
            min_width=180,
            scale=3,
            html_attributes=gr.InputHTMLAttributes(autocomplete="off", enterkeyhint="search"),
        )
        show = gr.Dropdown(
            list(SHOWS),
            value=SHOWS[0],
            label="Show",
            filterable=False,
            elem_id="show",
            min_width=150,
            scale=1,
        )
    tally = gr.Textbox(
        label="Found", interactive=False, buttons=[], elem_id="tally", elem_classes="quiet"
    )
    with gr.Row(elem_classes="spread", elem_id="one", visible=False) as one:
        with gr.Column(elem_classes="plate", min_width=260):
            picture = gr.Image(
                label="Picture",
                show_label=False,
                format="png",
                interactive=False,
                buttons=["download", "fullscreen"],
                elem_id="one-picture",
                elem_classes="print",
            )
        with gr.Column(elem_classes="desk", min_width=260):
            caption = gr.Textbox(
                label="Caption",
                lines=3,
                max_lines=8,
                max_length=PAGE_MAX_CAPTION,
                interactive=editable,
                elem_id="one-caption",
                buttons=["copy"],
            )
            about = gr.Textbox(
                label="About",
                interactive=False,
                buttons=[],
                lines=1,
                max_lines=4,
                elem_id="one-about",
                elem_classes="quiet",
            )
            with gr.Row(elem_classes="line", visible=editable):
                save = gr.Button("Save caption", variant="primary", elem_id="save", min_width=120)
                mark = gr.Button("Leave out", elem_id="mark", min_width=120)
            said = gr.Textbox(
                label="Done",
                interactive=False,
                buttons=[],
                lines=1,
                max_lines=4,
                elem_id="said",
                elem_classes="quiet",
                visible=False,
            )
    shelf = sheet_of_pairs(gr, label="Collection", elem_id="shelf")
    with gr.Row(elem_classes="line", elem_id="pages"):
        back = gr.Button("Earlier", elem_id="back", min_width=100, interactive=False)
        onward = gr.Button("Further", elem_id="onward", min_width=100, interactive=False)
    with gr.Accordion(
        "Check an archive before it becomes a collection",
        open=False,
        elem_id="check",
        visible=editable,
    ):
        archive = gr.File(
            label="Archive: .zip, .tar, .tar.gz",
            file_types=[".zip", ".tar", ".gz", ".tgz"],
            elem_id="archive",
            height=120,
        )
        halt = gr.Button("Stop", elem_id="stop-check", visible=False)
        checked = gr.Textbox(
            label="What it holds",
            interactive=False,
            buttons=["copy"],
            lines=1,
            max_lines=40,
            elem_id="checked",
            visible=False,
        )
        report = gr.HTML(elem_id="check-report", visible=False)
    # first of the rows shown; their ids; the id of the one shown large
    start = gr.State(0)
    listed = gr.State([])
    chosen = gr.State(None)

    def asked(style):
        there = collections(data)
        if not there:
            raise UserError(
                "No collection is prepared yet; make one: python dataset_preparation.py --source builtin --preset small"
            )
        return Collection(
            one_of(style, there, "The collection") or (usual() if usual() in there else there[0]),
            data,
        )

    def look(style, words, show, first):
        """One page of what was asked for, beginning with row `first` of it."""
        with messages(gr):
            collection = asked(style)
            words = one_line(words, PAGE_MAX_SEARCH, "What is searched for")
            show = one_of(show, SHOWS, "Show") or SHOWS[0]
            rows = rows_of(collection, data)
            found = matching_rows(rows, words, show)
            first = first if 0 <= first < len(found) else 0
            page = found[first : first + ROWS_ON_A_PAGE]
            there = collections(data)
            told = (
                f"{first + 1:,} to {first + len(page):,} of {len(found):,}" if page else "nothing"
            )
            told += "" if len(found) == len(rows) else f", out of {len(rows):,} pictures"
            return (
                gr.Dropdown(choices=there, value=collection.style, visible=len(there) > 1),
                [
                    (row_thumbnail(collection, row), row.get("caption") or "no caption")
                    for row in page
                ],
                told,
                first,
                [row["id"] for row in page],
                gr.Button(interactive=first > 0),
                gr.Button(interactive=first + len(page) < len(found)),
            )

    def detail(collection, row, said=""):
        out = bool(row.get("left_out"))
        return (
            gr.Row(visible=True),
            gr.Image(
                value=row_thumbnail(collection, row, 768),
                alt_text=row.get("caption") or "no caption",
            ),
            row.get("caption") or "",
            collection_facts(row),
            gr.Button("Take back" if out else "Leave out"),
            gr.Textbox(said, visible=bool(said)),
            row["id"],
        )

    def picked(style, listed, event: gr.SelectData):
        with messages(gr):
            collection = asked(style)
            row = next(
                (row for row in rows_of(collection, data) if row["id"] == listed[event.index]), None
            )
            if row is None:
                raise UserError("This picture is no longer in the collection; look again.")
            return detail(collection, row)

    def allowed():
        if not editable:
            raise UserError(
                "This page is open to others without a password, so it changes no files."
            )

    def saved(style, chosen, caption):
        with messages(gr):
            allowed()
            collection = asked(style)
            row = change_row(
                collection, chosen, caption=one_line(caption, PAGE_MAX_CAPTION, "A caption")
            )
            return detail(
                collection,
                row,
                f"Saved. The next training reads it: python training_loop.py --style {collection.style} --fresh",
            )

    def marked(style, chosen):
        with messages(gr):
            allowed()
            collection = asked(style)
            row = next((row for row in rows_of(collection, data) if row["id"] == chosen), {})
            row = change_row(collection, chosen, left_out=not row.get("left_out"))
            done = "leaves it out" if row.get("left_out") else "has it again"
            return detail(
                collection,
                row,
                f"The next training {done}: python training_loop.py --style {collection.style} --fresh",
            )

    def check(file):
        """What an archive holds: pictures that can be used, rejected ones by reason, duplicates, captions."""
        with messages(gr):
            allowed()
            path = uploaded(
                file,
                archive.GRADIO_CACHE,
                "Bring an archive first: drop it into the frame, or choose a file.",
            )
            for said, page in check_archive(path):
                framed = (
                    f'<iframe title="The check as a page" sandbox srcdoc="{html.escape(page)}"></iframe>'
                    if page
                    else ""
                )
                yield gr.Textbox(said, visible=True), gr.HTML(framed, visible=bool(page))

    view = [style, shelf, tally, start, listed, back, onward]
    one_of_them = [one, picture, caption, about, mark, said, chosen]
    shown = dict(
        fn=look,
        inputs=[style, words, show, start],
        outputs=view,
        show_progress_on=shelf,
        **FILES_TASK,
    )
    gr.on([words.submit, show.input, style.input], lambda: 0, None, start, **QUIET_EVENT).then(
        **shown
    )
    back.click(lambda first: max(0, first - ROWS_ON_A_PAGE), start, start, **QUIET_EVENT).then(
        **shown
    )
    onward.click(lambda first: first + ROWS_ON_A_PAGE, start, start, **QUIET_EVENT).then(**shown)
    tab.select(**shown)
    with_stop_button(
        halt, [archive.upload], fn=check, inputs=archive, outputs=[checked, report], **FILES_TASK
    )
    shelf.select(picked, [style, listed], one_of_them, **FILES_TASK)
    save.click(saved, [style, chosen, caption], one_of_them, **FILES_TASK).success(**shown)
    mark.click(marked, [style, chosen], one_of_them, **FILES_TASK).success(**shown)
