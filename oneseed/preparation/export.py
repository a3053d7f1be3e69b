"""A prepared collection as one file in another tool's format."""

from pathlib import Path

from oneseed.config.preparation import PrepareConfig
from oneseed.dataset import writers
from oneseed.dataset.code_texts import travelling
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.prepared import require_prepared
from oneseed.files import sweep_partials
from oneseed.synthetic.collections import DRAWN_CLASSES


def export_collection(config: PrepareConfig, collection: Collection) -> None:
    """Writes pictures and captions to --out in the format of --export, and prints how many.

    UserError where nothing was prepared yet, or a picture is damaged, and those of
    writers.write_export.
    """
    rows = [row for row in collection.read_metadata() if not row.get("left_out")]
    below = "" if config.export in writers.FLAT_FORMATS else "images/"
    exported = [export_row(row, below, collection) for row in rows]
    require_prepared((row["path"] for row in exported), collection)
    out = Path(config.out)
    # what a killed export has left may take the room that this one needs
    for name in (out.name, writers.PARQUET_NAME):
        sweep_partials(out.parent, of=name)
    writers.write_export(config.export, exported, out)
    line = f"{config.out}: {len(rows):,} pictures as {config.export}"
    bare = sum(not row.get("caption") for row in rows)
    if bare:
        line += (
            f", {bare:,} of them without a caption; to write those: {collection.deal_command(rows)}"
        )
    print(line)
    if config.export in writers.CAPTION_ONLY_FORMATS and (
        lost := sum(map(bool, map(travelling, rows)))
    ):
        print(
            f"  question, domain or kind of captions, which {config.export} cannot hold: "
            f"{lost:,} rows; jsonl, llava, qwen, instruct and the others hold them"
        )


def export_row(row: Row, below: str, collection: Collection) -> Row:
    """A record as writers.write_export wants it.

    Pictures of a drawn collection are to others what they show: engravings, drawings.
    """
    return {
        "image": below + row["filename"],
        "path": collection.resized / row["filename"],
        "caption": row.get("caption") or "",
        "style": DRAWN_CLASSES.get(row["style"], row["style"]),
        **travelling(row),
    }
