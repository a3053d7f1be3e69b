"""What a captioner is shown and asked, in training as afterwards: the same tokens by one function.

prompt_inputs(pictures, questions, captioner)   # the tensors that it reads before it writes
prompt_for(job, captioner)                      # what it is asked of a row's pictures
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from oneseed.captioning.jobs import CaptionJob
from oneseed.captioning.taught import TaughtNotes
from oneseed.captioning.words_read import WordReader, row_with_words
from oneseed.dataset.messages import (
    Asked,
    asked_before_answers,
    messages_of,
    place_pictures,
    question_message,
    says_more,
)
from oneseed.dataset.prepared import load_prepared

# what stands beside a question: an RGB picture, or several in their order
ShownPictures = Image.Image | Sequence[Image.Image]


@dataclass(frozen=True)
class LoadedCaptioner:
    """A checkpoint in memory."""

    # a transformers processor with its tokenizer
    processor: Any
    # in eval mode, on its device
    model: Any
    # of one that was taught here; None of any other
    notes: TaughtNotes | None = None


def is_chat(processor: Any) -> bool:
    """True for models that are asked a question instead of given the first words."""
    return bool(getattr(processor, "chat_template", None))


def prompt_inputs(
    pictures: Sequence[ShownPictures], prompts: Sequence[Asked], captioner: LoadedCaptioner
) -> Any:
    """What B rows show and ask -> the tensors that the model reads before it writes.

    Padding stands on the left: what is written follows the prompt at once.
    """
    tokenizer = captioner.processor.tokenizer
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    several = [[one] if isinstance(one, Image.Image) else one for one in pictures]
    if is_chat(captioner.processor):
        return chat_inputs(several, prompts, captioner.processor)
    texts = [asked for asked in prompts if isinstance(asked, str)]
    assert len(texts) == len(prompts), "without a chat template nothing but a text is read"
    assert all(len(shown) == 1 for shown in several), "nor more than one picture"
    return plain_inputs([shown[0] for shown in several], texts, captioner)


def chat_inputs(
    pictures: Sequence[Sequence[Image.Image]], questions: Sequence[Asked], processor: Any
) -> Any:
    """The pictures of B rows and their questions -> tensors in the model's chat template."""
    chats = []
    for shown, asked in zip(pictures, questions):
        messages = [question_message(asked)] if isinstance(asked, str) else asked
        chats.append(place_pictures(messages, shown))
    return processor.apply_chat_template(
        chats,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"padding": True},
    )


def plain_inputs(
    pictures: Sequence[Image.Image], prompts: Sequence[str], captioner: LoadedCaptioner
) -> Any:
    """B pictures and prompts -> the tensors of B captions to be continued."""
    text = list(prompts)
    # Florence-2 knows tasks instead of prompts.
    if captioner.model.config.model_type == "florence2":
        text = ["<CAPTION>"] * len(text)
    inputs = captioner.processor(
        images=list(pictures), text=text, padding=True, return_tensors="pt"
    )
    # PaliGemma's processor adds what only training asks for.
    inputs.pop("labels", None)
    return inputs


def is_shown_all(captioner: LoadedCaptioner) -> bool:
    """Whether it looks at all pictures of a row: it has turns, and was taught so."""
    return captioner.notes is not None and is_chat(captioner.processor)


def shown_pictures(job: CaptionJob, captioner: LoadedCaptioner) -> ShownPictures:
    """What the captioner is shown of a job. DamagedPreparedError."""
    if job.further and is_shown_all(captioner):
        return [load_prepared(path).convert("RGB") for path in job.pictures]
    return load_prepared(job.picture).convert("RGB")


def asked_in_full(
    job: CaptionJob, prompt: str, captioner: LoadedCaptioner, reader: WordReader | None = None
) -> Asked:
    """The prompt, or what a captioner that was taught here has read before such an answer.

    reader: of the words that pictures show, where it was taught with them. DamagedPreparedError.
    """
    row = job.row
    if reader:
        row = row_with_words(row, prompt, reader.words_of(job.pictures))
        prompt = row.get("question") or prompt
    if is_shown_all(captioner) and (says_more(row) or job.further):
        messages = messages_of(row, prompt, pictures=len(job.pictures), turns=False)
        return asked_before_answers(messages)[0]
    return prompt


def reader_for(captioner: LoadedCaptioner, jobs: Sequence[CaptionJob]) -> WordReader | None:
    """What reads the words of the jobs' pictures; None where it was not taught with them.

    UserError without the library.
    """
    if not jobs or not captioner.notes or not captioner.notes.reads_words:
        return None
    return WordReader(jobs[0].picture.parent.parent, "a captioner that was taught with --ocr")


def prompt_for(job: CaptionJob, captioner: LoadedCaptioner) -> str:
    """What a captioner reads beside the picture of a job: a question, or how a caption begins."""
    if captioner.notes:
        return captioner.notes.question_of(job.row)
    return job.question if is_chat(captioner.processor) else job.prompt
