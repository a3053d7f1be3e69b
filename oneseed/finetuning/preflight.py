"""Before a captioner learns: what fits, what the first batch teaches, and what it will cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from torch import Tensor

from oneseed.captioning.asking import LoadedCaptioner, is_chat
from oneseed.captioning.jobs import quote_answer
from oneseed.config.finetuning import EXAMPLE_CAPTIONER, FinetuningConfig
from oneseed.console.command import UserError
from oneseed.console.output import code_lines, printable
from oneseed.dataset.messages import question_message
from oneseed.finetuning.examples import (
    IGNORED_LABEL,
    TaughtExample,
    TaughtExamples,
    answer_tokens_of,
    has_decoder_apart,
    make_batch,
)

# examples of the first batch that are shown
SHOWN_EXAMPLES = 2
# lines of an answer that are shown
SHOWN_LINES = 12
# room of an answer beyond the longest that is taught
ANSWER_ROOM = 1.5
# a tokenizer without a limit says a number like this
NO_LIMIT = 10**9


@dataclass(frozen=True)
class Fitted:
    """The pairs that a captioner can learn from, and what is known of their lengths."""

    examples: TaughtExamples
    # tokens of each training answer with its end
    answer_lengths: list[int]
    # of the first pair: tokens of picture and question together, and those of the picture
    prompt_tokens: int
    picture_tokens: int
    # longest input in tokens; None: no limit is known
    limit: int | None
    # the longest answer that a look waits for
    max_new_tokens: int
    # pairs that are too long, of training and validation
    left_out: int


def image_token_of(captioner: LoadedCaptioner) -> int | None:
    """The token that stands for a part of a picture; None where the family says none."""
    config = captioner.model.config
    found = getattr(config, "image_token_id", None)
    return found if found is not None else getattr(config, "image_token_index", None)


def limit_of(captioner: LoadedCaptioner, asked: int) -> int | None:
    """Tokens that the captioner can read; of a limit that was asked for, the smaller one."""
    text = captioner.model.config.get_text_config()
    limits = [
        asked or NO_LIMIT,
        getattr(text, "max_position_embeddings", None) or NO_LIMIT,
        captioner.processor.tokenizer.model_max_length or NO_LIMIT,
    ]
    least = min(limits)
    return None if least >= NO_LIMIT else least


def fit_examples(
    examples: TaughtExamples, captioner: LoadedCaptioner, end: int, config: FinetuningConfig
) -> Fitted:
    """Leaves out the pairs that are too long.

    UserError where a picture would not fit, where its place is missing, or where nothing is left.
    """
    bare_prompts = bare_prompts_of(examples, captioner, end, config.model)
    prompt, pictures = read_prompt(examples.train[0], captioner, end, config.model)
    limit = limit_of(captioner, config.max_length)
    if limit is not None and prompt >= limit:
        raise UserError(
            f"the picture and its question take {prompt:,} tokens ({pictures:,} of them the "
            f"picture) and the captioner reads {limit:,}: raise --max-length, ask less, or prepare "
            "smaller pictures"
        )
    is_apart = has_decoder_apart(captioner)

    def length(example: TaughtExample) -> int:
        answer = len(answer_tokens_of(example.answer, captioner, end))
        read = bare_prompts[len(example.pictures)] + question_tokens(example, captioner)
        return max(read, answer) if is_apart else read + answer

    def short(side: Sequence[TaughtExample]) -> list[TaughtExample]:
        return [one for one in side if limit is None or length(one) <= limit]

    kept = (short(examples.train), short(examples.val))
    left_out = len(examples.train) + len(examples.val) - len(kept[0]) - len(kept[1])
    if not kept[0] or not kept[1]:
        raise UserError(
            f"no pair is short enough: picture and question take {prompt:,} tokens, and with its "
            f"answer {limit:,} is the limit: raise --max-length, or name another --model"
        )
    lengths = [len(answer_tokens_of(one.answer, captioner, end)) for one in kept[0]]
    room = config.max_new_tokens or round(ANSWER_ROOM * max(lengths))
    return Fitted(
        replace(examples, train=kept[0], val=kept[1]),
        answer_lengths=lengths,
        prompt_tokens=prompt,
        picture_tokens=pictures,
        limit=limit,
        max_new_tokens=room,
        left_out=left_out,
    )


def bare_prompts_of(
    examples: TaughtExamples, captioner: LoadedCaptioner, end: int, name: str
) -> dict[int, int]:
    """Number of pictures of a row -> tokens of its prompt without those of its question.

    name: of the captioner. UserError where it does not look at all pictures of a row.
    """
    firsts: dict[int, TaughtExample] = {}
    for example in (*examples.train, *examples.val):
        firsts.setdefault(len(example.pictures), example)
    found = {}
    for count, example in firsts.items():
        if count > 1:
            require_several(example, captioner, end, name)
        prompt, _ = read_prompt(example, captioner, end, name)
        found[count] = prompt - question_tokens(example, captioner)
    return found


def require_several(
    example: TaughtExample, captioner: LoadedCaptioner, end: int, name: str
) -> None:
    """UserError where a captioner does not look at all pictures of a row of several."""
    trouble = ""
    if is_chat(captioner.processor):
        try:
            _, all_tokens = read_prompt(example, captioner, end, name)
        except UserError as error:
            trouble = f" ({quote_answer(error.__cause__ or error)})"
        else:
            alone = replace(example, messages=(), further=())
            if all_tokens > read_prompt(alone, captioner, end, name)[1]:
                return
    raise UserError(
        f"{name} takes one picture at a time, and the row of {example.picture.name} has "
        f"{len(example.pictures)}{trouble}: name another checkpoint with --model, "
        f"such as {EXAMPLE_CAPTIONER}, or prepare rows of one picture"
    )


def read_prompt(
    example: TaughtExample, captioner: LoadedCaptioner, end: int, name: str
) -> tuple[int, int]:
    """Tokens of a picture and its question, and those of them that stand for the picture.

    name: of the captioner. UserError where nothing of a picture is read.
    """
    try:
        first = make_batch([example], captioner, end)
    except ValueError as error:
        # newer processors look themselves whether a prompt has a place for its picture
        raise UserError(
            f"{name} reads no picture together with a question "
            f"({quote_answer(error)}): its chat template may leave pictures out; name another "
            "checkpoint with --model"
        ) from error
    tokens = first.inputs["input_ids"][0]  # (P + A,) or (P,)
    prompt = len(tokens) - (0 if first.has_decoder_apart else first.labels.shape[1])
    image_token = image_token_of(captioner)
    pictures = int((tokens == image_token).sum()) if image_token is not None else 0
    if not pictures:
        raise UserError(
            f"{name} reads no picture together with a question: the prompt holds no token "
            "of one; its chat template may leave pictures out; name another checkpoint with --model"
        )
    return prompt, pictures


def question_tokens(example: TaughtExample, captioner: LoadedCaptioner) -> int:
    """How many tokens a question has, with what else is read before the answer."""

    def count(text: str) -> int:
        return len(captioner.processor.tokenizer(text, add_special_tokens=False).input_ids)

    asked = example.asked(captioner)
    if isinstance(asked, str):
        return count(asked)
    render = captioner.processor.apply_chat_template
    plain = render([question_message(example.question)], tokenize=False)
    return count(render(list(asked), tokenize=False)) - count(plain) + count(example.question)


def fitted_lines(fitted: Fitted) -> list[str]:
    """What was found of the pairs, for a terminal."""
    examples = fitted.examples
    longest = max(fitted.answer_lengths)
    mean = sum(fitted.answer_lengths) / len(fitted.answer_lengths)
    limit = "no limit is known" if fitted.limit is None else f"at most {fitted.limit:,} together"
    lines = [
        f"{len(examples.train):,} pairs to train and {len(examples.val):,} to validate; picture "
        f"{fitted.picture_tokens:,} tokens, with the question {fitted.prompt_tokens:,}; answers "
        f"{mean:.0f} on average, {longest:,} at most; {limit}"
    ]
    several = [one for one in (*examples.train, *examples.val) if one.further]
    if several:
        most = max(len(one.pictures) for one in several)
        lines.append(f"  of several pictures: {len(several):,}, {most} at most")
    if fitted.left_out:
        lines.append(f"  left out, since they are too long: {fitted.left_out:,}")
    return lines


def changed_by_tokens(
    examples: Sequence[TaughtExample], captioner: LoadedCaptioner
) -> list[TaughtExample]:
    """The examples whose answer comes back as another text from the captioner's tokens.

    Such a tokenizer lacks a letter, or joins blanks; what is lost cannot be learnt.
    """
    tokenizer = captioner.processor.tokenizer
    changed = []
    for example in examples:
        tokens = tokenizer(example.answer, add_special_tokens=False).input_ids
        text = tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
        if text.strip() != example.answer.strip():
            changed.append(example)
    return changed


def first_batch_lines(
    examples: Sequence[TaughtExample], captioner: LoadedCaptioner, end: int
) -> list[str]:
    """The first examples as the captioner reads them, and what of them counts for the loss.

    UserError where nothing counts.
    """
    batch = make_batch(examples, captioner, end)
    tokenizer = captioner.processor.tokenizer
    lines = []
    for row in range(min(SHOWN_EXAMPLES, len(examples))):
        counted = batch.labels[row][batch.labels[row] != IGNORED_LABEL]
        if len(counted) < 2:
            raise UserError(
                f"nothing of {examples[row].picture.name} counts for the loss: its caption "
                f"{examples[row].answer!r} has no tokens"
            )
        prompt = batch.inputs["input_ids"][row]
        if not batch.has_decoder_apart:
            prompt = prompt[: -batch.labels.shape[1]]
        lines += [
            f"  {examples[row].picture.name} is read as",
            f"    {printable(told_prompt(prompt, captioner))}",
            f"  and {len(counted)} tokens of the answer count, the last one as its end:",
            *code_lines(tokenizer.decode(counted), indent=4, most=SHOWN_LINES),
        ]
    return lines


def told_prompt(tokens: Tensor, captioner: LoadedCaptioner) -> str:
    """A prompt (P,) as text; padding is left out, and the tokens of a picture are counted."""
    tokenizer = captioner.processor.tokenizer
    image_token = image_token_of(captioner)
    texts = []
    for is_picture, run in groupby(tokens.tolist(), lambda token: token == image_token):
        piece = [token for token in run if token != tokenizer.pad_token_id]
        if is_picture:
            texts.append(f"{tokenizer.decode(piece[:1])} x {len(piece)}")
        else:
            texts.append(tokenizer.decode(piece, skip_special_tokens=False))
    return "".join(texts)
