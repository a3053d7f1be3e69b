"""Captions by any image-text-to-text checkpoint of transformers.

torch and transformers are imported inside the functions: collections that have captions need none.
"""

import errno
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneseed.captioning.adapters import base_of_adapter, is_adapter, merged_with_adapter
from oneseed.captioning.answers import Said, read_answer
from oneseed.captioning.asking import (
    LoadedCaptioner,
    ShownPictures,
    asked_in_full,
    is_chat,
    prompt_for,
    prompt_inputs,
    reader_for,
    shown_pictures,
)
from oneseed.captioning.duration import BEAMS, print_estimate
from oneseed.captioning.jobs import (
    Caption,
    CaptionJob,
    NoCaption,
    no_picture,
    quote_answer,
)
from oneseed.captioning.marks import is_mark, opens_thoughts
from oneseed.captioning.taught import read_notes
from oneseed.captioning.words_read import WordReader
from oneseed.config.captioning import BLIP2, SMALLER, CaptionConfig
from oneseed.console.command import UserError
from oneseed.dataset.code_texts import is_code
from oneseed.dataset.messages import Asked
from oneseed.dataset.prepared import DamagedPreparedError
from oneseed.files import expanded
from oneseed.workers import chunks

if TYPE_CHECKING:
    import torch

# known before the download; counted for all others
PARAMETERS = {BLIP2: 3.74e9, SMALLER: 0.22e9}
# tokens of a prompt that tell whether thoughts are begun in it
PROMPT_END = 16
# seconds until the hub must answer
HUB_PATIENCE = 10


class NoCaptionerError(UserError):
    """The captioner that was asked for is not to be had; the captions may come another way."""


def is_here(captioner: str, flag: str = "--captioner") -> bool:
    """True for a folder or a downloaded checkpoint, False where the hub has it.

    flag: by which it was named. UserError where the hub cannot be reached or does not know the
    name, after one request; transformers itself would try again for two minutes.
    """
    from huggingface_hub import hf_hub_url, try_to_load_from_cache
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.utils import build_hf_headers

    ways = f"name a checkpoint in a folder, {flag} PATH"
    try:
        if expanded(captioner).is_dir():
            return True
        if isinstance(try_to_load_from_cache(captioner, "config.json"), str):
            return True
        url = hf_hub_url(captioner, "config.json")
        request = urllib.request.Request(url, method="HEAD")
        for header, value in build_hf_headers().items():
            # the login is for the hub alone, not for where it may point
            request.add_unredirected_header(header, value)
        with urllib.request.urlopen(request, timeout=HUB_PATIENCE):
            return False
    except urllib.error.HTTPError as error:
        is_refused = error.code in (401, 403) and error.url == hf_hub_url(captioner, "config.json")
        # Other troubles are the hub's own, or of where it points: the download will report them.
        if error.code != 404 and not is_refused:
            return False
        terms = ""
        if is_refused:
            # it says the same of a name that it does not know
            terms = f"accept its terms on {ENDPOINT}/{captioner} where it has any, "
        raise NoCaptionerError(
            f"the captioner {captioner} is unknown to the Hugging Face hub or needs a login "
            f"(hf auth login): check the name, {terms}{ways}"
        ) from error
    except ValueError as error:
        raise NoCaptionerError(
            f"the captioner {captioner} is neither a folder nor a name such as {BLIP2}: {ways}"
        ) from error
    except OSError as error:
        # URLError and timeouts
        raise NoCaptionerError(
            f"the captioner {captioner} is not on this machine and the Hugging Face hub cannot be "
            f"reached: connect and run the same command again, {ways}"
        ) from error


def load_captioner(
    captioner: str,
    device: "torch.device | str",
    *,
    flag: str = "--captioner",
    load: Callable[..., LoadedCaptioner] | None = None,
) -> LoadedCaptioner:
    """Loads a checkpoint by name or folder; without network where it is on this machine already.

    bfloat16 on a GPU, else float32. A folder of peft's is laid over the checkpoint that it names.
    flag: by which it was named. load: does it, in place of load_pretrained.
    UserError where it cannot be loaded.
    """
    load = load or load_pretrained
    folder = expanded(captioner)
    name = str(folder) if folder.is_dir() else captioner
    trouble: Exception | None = None
    for is_offline in offline_ways(name, flag):
        try:
            return load(name, device, is_offline=is_offline)
        except UserError as error:
            raise NoCaptionerError(
                f"the captioner {captioner} cannot be loaded: {error}"
            ) from error
        except Exception as error:
            # transformers raises nearly anything on a broken or foreign checkpoint.
            if is_out_of_room(error):
                raise
            trouble = error
    raise NoCaptionerError(
        f"the captioner {captioner} cannot be loaded "
        f"({type(trouble).__name__}: {quote_answer(trouble)}): name another image-text-to-text "
        f"checkpoint, such as {flag} {SMALLER}"
    ) from trouble


def offline_ways(name: str, flag: str) -> list[bool]:
    """Whether a checkpoint is loaded without network, in the order in which both are tried.

    The weights of an adapter lie in the checkpoint that it names. NoCaptionerError as in is_here.
    """
    if is_adapter(name):
        try:
            name = base_of_adapter(name)
        except UserError:
            # loading says what is wrong with it
            return [True]
    if Path(name).is_dir():
        return [True]
    # A download may have been cut off: then the network has the rest.
    return [True, False] if is_here(name, flag) else [False]


def is_out_of_room(error: Exception) -> bool:
    """Whether it was the disk or the memory that failed, and not the checkpoint."""
    import torch

    is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return is_full or isinstance(error, torch.OutOfMemoryError)


def load_pretrained(
    name: str, device: "torch.device | str", *, is_offline: bool
) -> LoadedCaptioner:
    """Loads processor and model; any error of transformers where that is not possible.

    Code that lies beside the weights is never run.
    """
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from transformers.utils import logging

    logging.set_verbosity_error()
    dtype = torch.bfloat16 if torch.device(device).type == "cuda" else torch.float32
    notes = read_notes(name)
    adapter = name if is_adapter(name) else ""
    name = base_of_adapter(adapter) if adapter else name
    processor = AutoProcessor.from_pretrained(
        name, local_files_only=is_offline, trust_remote_code=False
    )
    model = AutoModelForImageTextToText.from_pretrained(
        name, dtype=dtype, local_files_only=is_offline, trust_remote_code=False
    )
    if not hasattr(processor, "tokenizer"):
        raise ValueError("it has no tokenizer")
    model = model.to(device)
    if adapter:
        model = merged_with_adapter(model, adapter)
    return LoadedCaptioner(processor, model.eval(), notes)


def caption_pictures(
    pictures: Sequence[ShownPictures],
    prompts: Sequence[Asked],
    captioner: LoadedCaptioner,
    *,
    max_new_tokens: int,
    as_code: bool = False,
) -> list[tuple[str, bool]]:
    """What B rows show and ask -> B answers without their prompts, each with whether it is cut.

    prompts: how a caption begins, or, for a chat model and one that was taught here, a question;
    for a chat model also the messages before the answer.
    as_code: the answers are texts of code, which repeat themselves and keep their white space.
    Deterministic; a row does not depend on the others (with BLIP-1 only where all prompts are
    equal).
    """
    import torch

    processor = captioner.processor
    model = captioner.model
    inputs = prompt_inputs(pictures, prompts, captioner)
    if is_chat(processor) or as_code or captioner.notes:
        # Chat models do not repeat themselves, and a penalty would weigh against the words that
        # the question asks for, and against the brackets of code.
        search = {"num_beams": 1}
    else:
        # Plain captioners tend to repeat themselves.
        search = {"num_beams": BEAMS, "repetition_penalty": 1.2}
    # This casts the float tensors only.
    inputs = inputs.to(model.device, model.dtype)
    with torch.inference_mode():
        tokens = model.generate(  # (B, T)
            **inputs, max_new_tokens=max_new_tokens, do_sample=False, **search
        )
    if repeats_input(model.config):
        tokens = tokens[:, inputs["input_ids"].shape[1] :]  # (B, new)
    captions = decode_answers(tokens, processor, as_code=as_code)
    if is_chat(processor) and begins_with_thoughts(inputs["input_ids"], processor):
        captions = [f"<think>{caption}" for caption in captions]
    # Its answer starts with the prompt too, but one token off: the text goes, not the tokens.
    if model.config.model_type == "blip":
        captions = [
            without_prompt(caption, prompt) for caption, prompt in zip(captions, map(str, prompts))
        ]
    # A finished caption ends in an end mark or in padding.
    ends = {*processor.tokenizer.all_special_ids, *ends_of_turns(model)}
    return [(caption, row[-1] not in ends) for caption, row in zip(captions, tokens.tolist())]


def ends_of_turns(model: Any) -> list[int]:
    """The tokens that end what it writes: some tokenizers count theirs among the plain ones."""
    settings = getattr(model, "generation_config", None)
    found = settings.eos_token_id if settings is not None else None
    return [found] if isinstance(found, int) else list(found or ())


def decode_answers(tokens: "torch.Tensor", processor: Any, *, as_code: bool = False) -> list[str]:
    """Tokens (B, T) -> B texts. Of the special tokens those stay that part thoughts from answer.

    as_code: white space stays at both ends.
    """
    tokenizer = processor.tokenizer
    special = dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens))
    for number, token in tokenizer.added_tokens_decoder.items():
        if token.special:
            special[number] = token.content
    silent = {number for number, text in special.items() if not is_mark(text)}
    texts = []
    for row in tokens.tolist():
        spoken = [token for token in row if token not in silent]
        if as_code:
            # some tokenizers join a point to the word before it
            text = tokenizer.decode(spoken, clean_up_tokenization_spaces=False)
        else:
            text = tokenizer.decode(spoken, skip_special_tokens=False).strip()
        texts.append(text)
    return texts


def begins_with_thoughts(input_ids: "torch.Tensor", processor: Any) -> bool:
    """Whether the prompts (B, T) end where the model is to begin thinking."""
    end = processor.tokenizer.decode(input_ids[0, -PROMPT_END:], skip_special_tokens=False)
    return opens_thoughts(end)


def repeats_input(model_config: Any) -> bool:
    """True where generated tokens start with those of the prompt: decoder-only language models."""
    if model_config.model_type == "blip-2":
        return model_config.use_decoder_only_language_model
    return not model_config.is_encoder_decoder and model_config.model_type != "blip"


def without_prompt(caption: str, prompt: str) -> str:
    """The caption behind its prompt, if it begins with it in any case of letters."""
    if caption.lower().startswith(prompt.lower()):
        return caption[len(prompt) :].strip()
    return caption


def captions_by_checkpoint(
    jobs: Sequence[CaptionJob], captioner: str, config: CaptionConfig
) -> Iterator[Caption | NoCaption]:
    """Captions of all jobs, batch by batch; the checkpoint is loaded before this returns."""
    if captioner not in PARAMETERS:
        # A wrong name does not wait for torch.
        is_here(captioner)
    # Here, because it loads torch.
    from oneseed.device import pick_device_of_rank

    device = pick_device_of_rank(config.device)
    parameters = PARAMETERS.get(captioner)
    on_cpu = device.type == "cpu"
    if on_cpu and parameters:
        print_estimate(captioner, parameters, len(jobs), tokens=config.max_new_tokens)
    loaded = load_captioner(captioner, device)
    if on_cpu and not parameters:
        parameters = sum(weight.numel() for weight in loaded.model.parameters())
        print_estimate(captioner, parameters, len(jobs), tokens=config.max_new_tokens)
    return each_caption(jobs, loaded, config, reader_for(loaded, jobs))


def each_caption(
    jobs: Sequence[CaptionJob],
    captioner: LoadedCaptioner,
    config: CaptionConfig,
    reader: WordReader | None = None,
) -> Iterator[Caption | NoCaption]:
    """Captions in batches of equal prompts, because BLIP-1 knows no padding of prompts.

    reader: of words that stand behind the prompts of a captioner that was taught with them.
    """

    def asked_of(job: CaptionJob) -> tuple[str, bool]:
        return prompt_for(job, captioner), is_code(job.row)

    for (prompt, are_code), same_prompt in groupby(sorted(jobs, key=asked_of), key=asked_of):
        for batch in chunks(list(same_prompt), config.batch_size):
            shown: list[CaptionJob] = []
            pictures: list[ShownPictures] = []
            asked: list[Asked] = []
            for job in batch:
                try:
                    looked_at = shown_pictures(job, captioner)
                    asked.append(asked_in_full(job, prompt, captioner, reader))
                    pictures.append(looked_at)
                    shown.append(job)
                except DamagedPreparedError as error:
                    yield no_picture(job, error)
            if not pictures:
                continue
            answers = caption_pictures(
                pictures,
                asked,
                captioner,
                max_new_tokens=config.max_new_tokens,
                as_code=are_code,
            )
            for job, (text, is_cut) in zip(shown, answers):
                yield read_answer(job, Said(text, "length" if is_cut else "stop"))
