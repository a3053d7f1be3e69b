"""Pairs of a collection as a captioner learns from them: a picture, a question, and the answer.

    examples = read_examples(collection, "")
    batch = make_batch(examples.train[:8], captioner, end)
    loss = answer_loss(answer_logits(model, batch), batch.labels) / batch.answer_tokens

The tokens before the answer are those that a captioner reads when it is asked, made by the same
function. They are padded on the left, and the answers on the right: so all answers of a batch begin
in one column, and only what stands there counts for the loss.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from oneseed.captioning.asking import LoadedCaptioner, is_chat, prompt_inputs
from oneseed.captioning.words_read import WordReader, row_with_words
from oneseed.config.options import CODE_CAPTIONS, WORD_CAPTIONS
from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.code_texts import CODE_QUESTION, are_code
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.messages import Asked, Message, asked_before_answers, messages_of, says_more
from oneseed.dataset.prepared import DamagedPreparedError, damaged_prepared, load_prepared
from oneseed.training import distributed

# what is asked of pictures whose captions are words
WORDS_QUESTION = "Describe this picture."
# label of a place that does not count
IGNORED_LABEL = -100
# stands for an answer while the end of its turn is looked for
ANSWER_MARK = "ANSWER"


@dataclass(frozen=True)
class TaughtExample:
    """A picture, what is asked of it, and the answer that is taught."""

    id: str
    # PNG file
    picture: Path
    question: str
    answer: str
    # what is read before the answer, where that is more than the question: a system prompt, turns,
    # further pictures
    messages: tuple[Message, ...] = ()
    # PNG files that are shown beside the row's own, such as the table of a form
    further: tuple[Path, ...] = ()

    @property
    def pictures(self) -> tuple[Path, ...]:
        """All that are shown, the row's own picture first."""
        return (self.picture, *self.further)

    @property
    def taught(self) -> tuple[str, ...]:
        """What makes it another pair when it changes."""
        return (self.id, self.question, self.answer, *map(str, self.messages))

    def asked(self, captioner: LoadedCaptioner) -> Asked:
        """What the captioner reads beside the picture; without a chat template the question."""
        return self.messages if self.messages and is_chat(captioner.processor) else self.question


@dataclass(frozen=True)
class TaughtExamples:
    """The pairs of a collection, dealt."""

    train: list[TaughtExample]
    val: list[TaughtExample]
    # asked where a row asks nothing of its own
    question: str
    # one of CAPTION_KINDS
    caption_kind: str


@dataclass(frozen=True)
class AnswerBatch:
    """B examples as tensors."""

    # what the model reads: prompts and answers (B, P + A), or prompts alone where it has a decoder
    # apart; pictures as its family wants them
    inputs: dict[str, Tensor]
    # (B, A): tokens of the answers with their ends, IGNORED_LABEL behind them
    labels: Tensor
    has_decoder_apart: bool

    @property
    def answer_tokens(self) -> int:
        """How many tokens count for the loss."""
        return int((self.labels != IGNORED_LABEL).sum())


# ---- from a collection ---------------------------------------------------------------------------


def read_examples(
    collection: Collection, question: str, most: int = 0, *, ocr: bool = False
) -> TaughtExamples:
    """The pairs of a collection that have captions.

    question: asked where a row asks nothing; "": what suits the captions. most: training pairs,
    0 for all. ocr: with the words that their pictures show. UserError where one of the splits has
    none.
    """
    train, val = map(captioned_rows, collection.read_captions())
    kind = CODE_CAPTIONS if are_code([*train, *val]) else WORD_CAPTIONS
    usual = question or (CODE_QUESTION if kind == CODE_CAPTIONS else WORDS_QUESTION)
    if ocr and train and val:
        train = train[: most or None]
        worded = with_words([*train, *val], collection, usual)
        train, val = worded[: len(train)], worded[len(train) :]
    taught = [example for row in train for example in examples_of(row, collection, usual)]
    found = TaughtExamples(
        taught[: most or None],
        [examples_of(row, collection, usual)[0] for row in val],
        usual,
        kind,
    )
    if not found.train or not found.val:
        side = "train on" if not found.train else "validate with"
        raise UserError(
            f"{collection.style} has no captioned picture to {side}: caption more of them: "
            f"{collection.deal_command(collection.read_metadata())}"
        )
    return found


def captioned_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows that have an answer to teach."""
    return [row for row in rows if row["caption"]]


def with_words(rows: Sequence[Row], collection: Collection, question: str) -> list[Row]:
    """Rows with the words that their pictures show in their questions: --ocr.

    Of several processes the first reads for all. UserError where no picture shows a word.
    """
    read = None
    if distributed.is_first():
        reader = WordReader(collection.processed, "--ocr")
        read = [
            row_with_words(row, question, words_in_row(row, collection, reader))
            for row in progress(rows, label="reading words")
        ]
    found = distributed.broadcast_object(read)
    worded = sum(row != other for row, other in zip(rows, found))
    if not worded:
        raise UserError(
            f"no word was read in any of the {len(rows):,} pictures of {collection.style}, so "
            "--ocr adds nothing: run the same command without it"
        )
    print(f"words were read in {worded:,} of {len(rows):,} pictures; they stand in the questions")
    return found


def words_in_row(row: Row, collection: Collection, reader: WordReader) -> list[str]:
    """The words in all pictures of a row. UserError where one is damaged, with what mends it."""
    picture = collection.resized / row["filename"]
    try:
        return reader.words_of([picture, *collection.further_pictures(row)])
    except DamagedPreparedError as error:
        raise damaged_prepared(picture, error, collection) from error


def examples_of(row: Row, collection: Collection, question: str) -> list[TaughtExample]:
    """A row of a caption file -> an example for each of its answers, the caption's first.

    question: asked where the row asks nothing.
    """
    picture = collection.resized / row["filename"]
    usual = row.get("question") or question
    further = collection.further_pictures(row)
    says_question_alone = not says_more(row) and not further
    if says_question_alone and not row.get("turns"):
        return [TaughtExample(row["id"], picture, usual, row["caption"])]
    messages = messages_of(row, question, pictures=1 + len(further))
    found = []
    for before in asked_before_answers(messages):
        answer = messages[len(before)]["content"][0]["text"]
        is_plain = len(before) == 1 and says_question_alone
        last = before[-1]["content"][-1].get("text", "") if found else usual
        context = () if is_plain else tuple(before)
        found.append(TaughtExample(row["id"], picture, last, answer, context, further))
    return found


def example_pictures(examples: Sequence[TaughtExample]) -> list[list[Any]]:
    """The RGB pictures of each example. UserError for a damaged one, with what mends it."""
    return [list(map(taught_picture, example.pictures)) for example in examples]


def taught_picture(path: Path) -> Any:
    """One prepared picture, RGB. UserError where it is damaged, with what mends it."""
    try:
        return load_prepared(path).convert("RGB")
    except DamagedPreparedError as error:
        collection = Collection(path.parent.parent.name, path.parents[3])
        raise damaged_prepared(path, error, collection) from error


# ---- tokens --------------------------------------------------------------------------------------


def end_tokens(captioner: LoadedCaptioner) -> list[int]:
    """The tokens that end an answer when this captioner writes."""
    settings = getattr(captioner.model, "generation_config", None)
    found = settings.eos_token_id if settings is not None else None
    if found is None:
        found = captioner.processor.tokenizer.eos_token_id
    if found is None:
        raise UserError("this captioner has no token that ends an answer, so it cannot be taught")
    return [found] if isinstance(found, int) else list(found)


def end_of_answer(captioner: LoadedCaptioner) -> int:
    """The token that is taught to stand behind each answer.

    Of those that end an answer it is the one that the chat template writes there.
    """
    ends = end_tokens(captioner)
    if not is_chat(captioner.processor):
        return ends[0]
    turns = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": ANSWER_MARK}]},
    ]
    try:
        text = captioner.processor.apply_chat_template(turns, tokenize=False)
    except Exception:
        # a template is a program of whoever made the checkpoint
        return ends[0]
    behind = text.rpartition(ANSWER_MARK)[2]
    tokens = captioner.processor.tokenizer(behind, add_special_tokens=False).input_ids
    return next((token for token in tokens if token in ends), ends[0])


def answer_tokens_of(answer: str, captioner: LoadedCaptioner, end: int) -> list[int]:
    """The tokens of an answer and the one that ends it."""
    return [*captioner.processor.tokenizer(answer, add_special_tokens=False).input_ids, end]


def has_decoder_apart(captioner: LoadedCaptioner) -> bool:
    """Whether prompt and answer go through networks of their own, as in Florence-2."""
    config = captioner.model.config
    if config.model_type == "blip-2":
        return not config.use_decoder_only_language_model
    return bool(config.is_encoder_decoder)


def make_batch(
    examples: Sequence[TaughtExample], captioner: LoadedCaptioner, end: int
) -> AnswerBatch:
    """B examples -> tensors on the CPU. end: the token behind each answer."""
    prompts = [example.asked(captioner) for example in examples]
    inputs = dict(prompt_inputs(example_pictures(examples), prompts, captioner))
    rows = [answer_tokens_of(example.answer, captioner, end) for example in examples]
    length = max(map(len, rows))
    labels = torch.full((len(rows), length), IGNORED_LABEL)  # (B, A)
    for row, tokens in enumerate(rows):
        labels[row, : len(tokens)] = torch.tensor(tokens)
    is_apart = has_decoder_apart(captioner)
    if not is_apart:
        inputs = with_answers(inputs, labels, captioner)
    return AnswerBatch(inputs, labels, is_apart)


def with_answers(
    inputs: dict[str, Tensor], labels: Tensor, captioner: LoadedCaptioner
) -> dict[str, Tensor]:
    """Prompts (B, P) with the answers (B, A) behind them, in all tensors that speak of tokens."""
    counts = labels != IGNORED_LABEL  # (B, A)
    padding = captioner.processor.tokenizer.pad_token_id
    # PaliGemma: a prompt is read as one, an answer word by word. Others: 0 stands for text.
    kind = 1 if captioner.model.config.model_type.startswith("paligemma") else 0
    tails = {
        "input_ids": labels.masked_fill(~counts, padding),
        "attention_mask": counts.long(),
        "token_type_ids": torch.full_like(labels, kind),
        "mm_token_type_ids": torch.zeros_like(labels),
    }
    shape = inputs["input_ids"].shape
    joined = {}
    for name, value in inputs.items():
        if name in tails:
            value = torch.cat([value, tails[name].to(value.dtype)], dim=1)  # (B, P + A)
        else:
            is_of_tokens = value.shape == shape and not value.is_floating_point()
            assert not is_of_tokens, f"{name} says something of each token of the prompt"
        joined[name] = value
    return joined


# ---- the loss ------------------------------------------------------------------------------------


def answer_logits(model: Any, batch: AnswerBatch) -> Tensor:
    """(B, A, V): what the model expects at each place of the answers."""
    if batch.has_decoder_apart:
        return model(**batch.inputs, labels=batch.labels, use_cache=False).logits
    length = batch.labels.shape[1]
    kept = {}
    if "logits_to_keep" in inspect.signature(model_within(model).forward).parameters:
        # of a large vocabulary the logits of the prompt would be gigabytes
        kept = {"logits_to_keep": length + 1}
    logits = model(**batch.inputs, use_cache=False, **kept).logits
    return logits[:, -length - 1 : -1]  # the place before a token foretells it


def model_within(model: Any) -> Any:
    """The captioner inside peft's wrapper, or itself where there is none."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def answer_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy in nats, summed over the tokens of all answers.

    logits: (B, A, V) any float; labels: (B, A), IGNORED_LABEL where nothing counts.
    """
    return F.cross_entropy(
        logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED_LABEL, reduction="sum"
    )
