"""--export gguf: the files of a taught captioner for llama.cpp and Ollama, and their proof."""

from pathlib import Path

from oneseed.captioning.taught import TaughtNotes, read_notes
from oneseed.captioning.words_read import WordReader, row_with_words
from oneseed.config.finetuning import FinetuningConfig
from oneseed.console.command import UserError
from oneseed.dataset.code_texts import CODE_QUESTION, is_code
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.messages import asked_before_answers, messages_of
from oneseed.files import expanded
from oneseed.finetuning.examples import WORDS_QUESTION, words_in_row
from oneseed.finetuning.gguf import (
    PACKAGES,
    require_exportable,
    require_packages,
    write_gguf,
)
from oneseed.finetuning.proof import Question, prove

# below the folder of the run
GGUF_FOLDER = "gguf"
# tokens of an answer, where nothing says how long answers are
USUAL_TOKENS = 256


def export_captioner(config: FinetuningConfig) -> int:
    """Writes model.gguf, mmproj.gguf and Modelfile, and proves them -> exit status.

    The checkpoint is that of --model, else the merged one in the folder of the run. 1 where fewer
    answers than --least are those of transformers.
    """
    folder = expanded(config.model or config.checkpoints)
    require_exportable(folder)
    require_packages({**PACKAGES, "xllamacpp": "xllamacpp"}, "--export gguf")
    notes = read_notes(folder)
    questions = proof_questions(config, notes)
    out = Path(config.checkpoints) / GGUF_FOLDER
    files = write_gguf(folder, out, config.outtype)
    for path in files:
        print(f"  {path.as_posix()}: {path.stat().st_size:,} bytes")
    known_length = notes.max_new_tokens if notes else USUAL_TOKENS
    proof = prove(folder, files, questions, max_new_tokens=config.max_new_tokens or known_length)
    print("\n".join(proof.lines()))
    if proof.share < config.least:
        print(
            f"✗ fewer than --least {config.least}: do not rely on these files; --outtype f32 says "
            "whether rounding is the cause"
        )
        return 1
    print(
        f"Done: {out.as_posix()}; next: llama-server -m {files.model.as_posix()} --mmproj "
        f"{files.vision.as_posix()}, or ollama create captioner -f {files.modelfile.as_posix()}"
    )
    return 0


def proof_questions(config: FinetuningConfig, notes: TaughtNotes | None) -> list[Question]:
    """What both sides are asked: the held-out pictures of the collection that was taught.

    UserError where there are none.
    """
    style = config.style
    if notes and notes.style and style == FinetuningConfig.style:
        style = notes.style
    collection = Collection(style, config.data)
    _, val = collection.read_captions()
    held_out = [row for row in val if row["caption"]][: config.held_out]
    if not held_out:
        raise UserError(
            f"{style} has no captioned picture that is held out, which a proof asks about: "
            f"{collection.deal_command(collection.read_metadata())}"
        )
    reader = None
    if notes and notes.reads_words:
        reader = WordReader(collection.processed, "the proof of what was taught with --ocr")
    questions = []
    for row in held_out:
        pictures = [collection.picture(row), *collection.further_pictures(row)]
        asked = question_of(row, config, notes)
        if reader:
            row = row_with_words(row, asked, words_in_row(row, collection, reader))
        messages = messages_of(row, asked, pictures=len(pictures))
        questions.append(Question(pictures, asked_before_answers(messages)[0]))
    return questions


def question_of(row: Row, config: FinetuningConfig, notes: TaughtNotes | None) -> str:
    """What is asked of a row's picture: as it was taught."""
    if notes:
        return notes.question_of(row)
    usual = CODE_QUESTION if is_code(row) else WORDS_QUESTION
    return row.get("question") or config.question or usual
