"""What the tab Collection does on the server: find rows, mend captions, check archives."""

import functools
import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from PIL import Image

from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection, prepared_styles
from oneseed.dataset.commands import prepare_command
from oneseed.dataset.curation import (
    SHOWS,
    caption_author,
    change_row,
    matching_rows,
    next_command,
    row_kind,
)
from oneseed.dataset.jsonl import Row
from oneseed.dataset.next_run import next_teaching
from oneseed.dataset.prepared import DamagedPreparedError, load_prepared
from oneseed.page.archive_check import check_archive
from oneseed.page.events import Component, messages
from oneseed.page.uploads import uploaded
from oneseed.web.inputs import one_line, one_of, typed_text

# pictures of a page of the shelf
ROWS_ON_A_PAGE = 24
# pixels of a side, on the shelf and alone
THUMBNAIL_SIDE = 256
DETAIL_SIDE = 768
# characters
PAGE_MAX_CAPTION = 4000
PAGE_MAX_SEARCH = 200


@functools.lru_cache(2)
def read_once(style: str, data: str | Path, changed: int) -> list[Row]:
    """The rows as they were when the file was last changed (nanoseconds)."""
    return Collection(style, data).read_metadata()


def rows_of(collection: Collection, data: str | Path) -> list[Row]:
    """The collection's rows, read again when the file has changed; not to be written to."""
    if not collection.metadata.exists():
        return collection.read_metadata()
    return read_once(collection.style, data, collection.metadata.stat().st_mtime_ns)


def row_of(rows: list[Row], picture_id: Any) -> Row | None:
    """The row with this id."""
    return next((row for row in rows if row["id"] == picture_id), None)


def row_thumbnail(collection: Collection, row: Row, side: int = THUMBNAIL_SIDE) -> Image.Image:
    """A row's picture within side x side, RGB; a blank one where the file is gone or damaged."""
    try:
        image = load_prepared(collection.resized / row["filename"])
    except DamagedPreparedError:
        return Image.new("RGB", (side, side), "white")
    image.thumbnail((side, side))
    return image.convert("RGB")


def caption_of(row: Row) -> str:
    """A row's caption, or that it has none."""
    return row.get("caption") or "no caption"


def collection_facts(row: Row) -> str:
    """What is known of a picture, as one line."""
    size = f"{row['width']:,} × {row['height']:,}"
    kind = row_kind(row) or "not dealt yet"
    return f"{row['id']} · {size} · from {row['source']} · {kind} · {caption_author(row)}"


def next_step(collection: Collection, row: Row) -> str:
    """The command that brings a changed row into training, as a sentence, and what is missing."""
    missing = sum(1 for other in collection.each_metadata() if row_kind(other) == "without caption")
    are = "picture is" if missing == 1 else "pictures are"
    rest = f"; {missing:,} {are} still without a caption" if missing else ""
    return f"Next: {next_command(collection, row)}{rest}"


class ShelfPage(NamedTuple):
    """One page of the rows that were found, in the order of the tab's components."""

    style: Component
    shelf: list[tuple[Image.Image, str]]
    tally: str
    # place of the first row shown, and the ids of all
    start: int
    listed: list[str]
    back: Component
    onward: Component
    teaching: Component


class RowDetail(NamedTuple):
    """One row shown large, in the order of the tab's components."""

    one: Component
    picture: Component
    caption: str
    about: str
    mark: Component
    said: Component
    chosen: str
    # its collection
    style: str


@dataclass(frozen=True)
class CollectionHandlers:
    """The events of the tab. They take plain JSON; a refusal is one sentence on the page."""

    gr: ModuleType
    # folder of the collections
    data: str | Path
    # name of the collection to begin with
    usual_style: Callable[[], str]
    # may visitors change files?
    editable: bool
    # folder of the files that Gradio serves and receives
    cache: str

    def asked_collection(self, style: Any) -> Collection:
        """The collection of that name; "" for the usual one, or the first."""
        there = prepared_styles(self.data)
        if not there:
            raise UserError(
                "No collection is prepared yet; make one: "
                f"{prepare_command('builtin', self.data, '--preset small')}"
            )
        name = one_of(style, there, "The collection")
        if not name:
            usual = self.usual_style()
            name = usual if usual in there else there[0]
        return Collection(name, self.data)

    def look(self, style: Any, words: Any, show: Any, first: int) -> ShelfPage:
        """One page of what was asked for, beginning with row `first` of it."""
        with messages(self.gr):
            collection = self.asked_collection(style)
            sought = one_line(words, "What is searched for", limit=PAGE_MAX_SEARCH)
            kind = one_of(show, SHOWS, "Show") or SHOWS[0]
            rows = rows_of(collection, self.data)
            found = matching_rows(rows, sought, kind)
            start = first if 0 <= first < len(found) else 0
            page = found[start : start + ROWS_ON_A_PAGE]
            end = start + len(page)
            tally = f"{start + 1:,} to {end:,} of {len(found):,}" if page else "nothing"
            if len(found) != len(rows):
                tally += f", out of {len(rows):,} pictures"
            there = prepared_styles(self.data)
            return ShelfPage(
                style=self.gr.Dropdown(
                    choices=there, value=collection.style, visible=len(there) > 1
                ),
                shelf=[(row_thumbnail(collection, row), caption_of(row)) for row in page],
                tally=tally,
                start=start,
                listed=[row["id"] for row in page],
                back=self.gr.Button(interactive=start > 0),
                onward=self.gr.Button(interactive=end < len(found)),
                teaching=self.teaching(collection, rows),
            )

    def teaching(self, collection: Collection, rows: list[Row]) -> Component:
        """How a captioner is taught on the collection: commands, for the page starts no training.

        Nothing where visitors may not change files: it is not their machine.
        """
        steps = next_teaching(collection, rows) if self.editable else []
        return self.gr.Textbox("\n".join(steps), visible=bool(steps))

    def detail(self, collection: Collection, row: Row, said: str = "") -> RowDetail:
        """A row shown large. said: what has just been done with it."""
        picture = row_thumbnail(collection, row, DETAIL_SIDE)
        return RowDetail(
            one=self.gr.Row(visible=True),
            picture=self.gr.Image(value=picture, alt_text=caption_of(row)),
            caption=row.get("caption") or "",
            about=collection_facts(row),
            mark=self.gr.Button("Take back" if row.get("left_out") else "Leave out"),
            said=self.gr.Textbox(said, visible=bool(said)),
            chosen=row["id"],
            style=collection.style,
        )

    def picked(self, style: Any, picture_id: Any) -> RowDetail:
        """The row that was clicked."""
        with messages(self.gr):
            collection = self.asked_collection(style)
            row = row_of(rows_of(collection, self.data), picture_id)
            if row is None:
                raise UserError("This picture is no longer in the collection; look again.")
            return self.detail(collection, row)

    def require_editable(self) -> None:
        """UserError where visitors may not change files."""
        if not self.editable:
            raise UserError(
                "This page is open to others without a password, so it changes no files."
            )

    def saved(self, style: Any, chosen: Any, caption: Any) -> RowDetail:
        """Writes a caption into the collection."""
        with messages(self.gr):
            self.require_editable()
            collection = self.asked_collection(style)
            text = typed_text(caption, "A caption", limit=PAGE_MAX_CAPTION)
            row = change_row(collection, chosen, caption=text)
            return self.detail(collection, row, f"Saved. {next_step(collection, row)}")

    def marked(self, style: Any, chosen: Any) -> RowDetail:
        """Leaves a picture out of the next training, or takes it back."""
        with messages(self.gr):
            self.require_editable()
            collection = self.asked_collection(style)
            row = row_of(rows_of(collection, self.data), chosen) or {}
            row = change_row(collection, chosen, left_out=not row.get("left_out"))
            done = "leaves it out" if row.get("left_out") else "has it again"
            said = f"The next training {done}. {next_step(collection, row)}"
            return self.detail(collection, row, said)

    def check(self, file: Any) -> Iterator[tuple[Component, Component]]:
        """What an archive holds: pictures that can be used, rejected ones by reason, duplicates,
        captions.
        """
        with messages(self.gr):
            self.require_editable()
            sentence = "Bring an archive first: drop it into the frame, or choose a file."
            path = uploaded(file, self.cache, sentence)
            for said, page in check_archive(path):
                yield self.gr.Textbox(said, visible=True), self.framed(page)

    def framed(self, page: str) -> Component:
        """A page of HTML in a frame that runs no scripts; hidden while there is none."""
        if not page:
            return self.gr.HTML("", visible=False)
        frame = (
            f'<iframe title="The check as a page" sandbox srcdoc="{html.escape(page)}"></iframe>'
        )
        return self.gr.HTML(frame, visible=True)
