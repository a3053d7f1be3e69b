"""Captions by any image-text-to-text checkpoint of transformers."""

import errno
import os
import time
import urllib.request
from itertools import groupby
from pathlib import Path

from PIL import Image

from oneseed.console.command import UserError
from oneseed.dataset.wording import clean_caption, prompt_of

BLIP2 = "Salesforce/blip2-opt-2.7b"
SMALLER = "Salesforce/blip-image-captioning-base"
# known before the download; counted for all others
PARAMETERS = {BLIP2: 3.74e9, SMALLER: 0.22e9}
BEAMS = 5
CAPTION_QUESTION = "Describe it in one sentence that begins: {}"


def pick_caption_device(name):
    """ "auto" -> the best there is, of several GPUs that of torchrun's LOCAL_RANK; UserError where the one asked for is not there."""
    import torch

    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    name = next(device for device in there if there[device]) if name == "auto" else name
    if not there[name]:
        raise UserError(f"--device {name} is not available here; use --device cpu or leave it out")
    return (
        f"cuda:{int(os.environ['LOCAL_RANK']) % torch.cuda.device_count()}"
        if name == "cuda" and "LOCAL_RANK" in os.environ
        else name
    )


def estimate_captioning(captioner, parameters, count, tokens):
    """Without a GPU: what to expect, and the smaller command. From the measured speed of a matrix product: a captioner reads some
    300 tokens of picture and prompt and tries BEAMS continuations, two operations per parameter each."""
    import torch

    matrix = torch.randn(1024, 1024)
    matrix @ matrix
    start = time.perf_counter()
    for _ in range(4):
        matrix @ matrix
    # operations per second
    speed = 4 * 2 * 1024**3 / (time.perf_counter() - start)
    seconds = count * 2 * parameters * (300 + BEAMS * tokens) / speed
    length = (
        f"{seconds / 3600:,.1f} hours"
        if seconds > 5400
        else f"{seconds / 60:,.0f} minutes"
        if seconds > 90
        else f"{seconds:.0f} seconds"
    )
    print(
        f"no GPU: {captioner} ({parameters / 1e9:.2g} billion parameters, {4 * parameters / 1e9:.2g} GB of memory) will take very roughly {length} "
        f"for {count:,} pictures here",
        flush=True,
    )
    if seconds > 600:
        smaller = [] if captioner == SMALLER else [f"--captioner {SMALLER}"]
        print(
            f"  smaller: python caption_generation.py {' or '.join([*smaller, '--max-samples 50'])}; Ctrl+C keeps what is done",
            flush=True,
        )


def is_here(captioner):
    """True for a folder or a downloaded checkpoint, False where the hub has it. UserError where the hub cannot be reached or does not
    know the name, after one request; transformers itself would try again for two minutes."""
    from huggingface_hub import hf_hub_url, try_to_load_from_cache

    ways = "name a checkpoint in a folder, python caption_generation.py --captioner PATH, or keep the captions there are, --captioner existing"
    try:
        if Path(captioner).expanduser().is_dir() or isinstance(
            try_to_load_from_cache(captioner, "config.json"), str
        ):
            return True
        with urllib.request.urlopen(
            urllib.request.Request(hf_hub_url(captioner, "config.json"), method="HEAD"), timeout=10
        ):
            return False
    except urllib.error.HTTPError as error:
        # the hub's own trouble: the download will report it
        if error.code not in (401, 403, 404):
            return False
        raise UserError(
            f"the captioner {captioner} is unknown to the Hugging Face hub or needs a login (hf auth login): check the name, or {ways}"
        ) from error
    except ValueError as error:
        raise UserError(
            f"the captioner {captioner} is neither a folder nor a name such as {BLIP2}: {ways}"
        ) from error
    except OSError as error:
        # URLError, timeouts
        raise UserError(
            f"the captioner {captioner} is not on this machine and the Hugging Face hub cannot be reached: connect and run the same "
            f"command again, {ways}"
        ) from error


def load_captioner(captioner, device):
    """Checkpoint name or folder -> (processor, model in eval mode). What is on this machine already is loaded without network."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from transformers.utils import logging

    logging.set_verbosity_error()
    local = Path(captioner).expanduser()
    name = str(local) if local.is_dir() else captioner
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    # a download may have been cut off
    for offline in (
        (True, False) if is_here(captioner) and not local.is_dir() else (local.is_dir(),)
    ):
        try:
            processor = AutoProcessor.from_pretrained(
                name, local_files_only=offline, trust_remote_code=False
            )
            model = AutoModelForImageTextToText.from_pretrained(
                name, dtype=dtype, local_files_only=offline, trust_remote_code=False
            )
            if not hasattr(processor, "tokenizer"):
                raise ValueError("it has no tokenizer")
            return processor, model.to(device).eval()
        except Exception as error:
            # transformers raises nearly anything on a broken or foreign checkpoint
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            if local.is_dir() or not offline:
                why = clean_caption(str(error))[:160]
                raise UserError(
                    f"the captioner {captioner} cannot be loaded ({type(error).__name__}: {why}): name another image-text-to-text checkpoint, "
                    f"python caption_generation.py --captioner {SMALLER}, or keep the captions there are, --captioner existing"
                ) from error
    return None


def caption_pictures(pictures, prompts, processor, model, max_new_tokens):
    """B pictures and prompts -> B raw captions without their prompts, each with whether it was cut off. Deterministic; a row does not
    depend on the others (with BLIP-1 only where all prompts are equal)."""
    import torch

    family = model.config.model_type
    # the new words follow the prompt at once
    processor.tokenizer.padding_side = "left"
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    # plain captioners tend to repeat themselves
    search = {"num_beams": BEAMS, "repetition_penalty": 1.2}
    if getattr(processor, "chat_template", None):
        asked = [
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "image": picture},
                        {"type": "text", "text": CAPTION_QUESTION.format(prompt)},
                    ],
                }
            ]
            for picture, prompt in zip(pictures, prompts)
        ]
        inputs = processor.apply_chat_template(
            asked,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )
        # chat models do not, and a penalty would weigh against the words that the question asks
        # for
        search = {"num_beams": 1}
    else:
        text = ["<CAPTION>"] * len(prompts) if family == "florence2" else prompts
        inputs = processor(images=pictures, text=text, padding=True, return_tensors="pt")
    # casts the float tensors only
    inputs = inputs.to(model.device, model.dtype)
    with torch.inference_mode():
        # (B, T)
        tokens = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False, **search)
    decoder_only = (
        model.config.use_decoder_only_language_model
        if family == "blip-2"
        else not model.config.is_encoder_decoder and family != "blip"
    )
    if decoder_only:
        # the answer starts with the question
        tokens = tokens[:, inputs["input_ids"].shape[1] :]
    captions = [
        caption.strip() for caption in processor.batch_decode(tokens, skip_special_tokens=True)
    ]
    # starts with the prompt too, but one token off: strip the text
    if family == "blip":
        captions = [
            caption[len(prompt) :].strip()
            if caption.lower().startswith(prompt.lower())
            else caption
            for caption, prompt in zip(captions, prompts)
        ]
    # whoever had finished ends in an end mark or in padding
    ends = set(processor.tokenizer.all_special_ids)
    return [(caption, row[-1] not in ends) for caption, row in zip(captions, tokens.tolist())]


def by_checkpoint(todo, collection, captioner, config):
    """-> iterator of (row, raw caption, whether it was cut off), batch by batch; the captioner is loaded at once."""
    if captioner not in PARAMETERS:
        # a wrong name should not wait for torch
        is_here(captioner)
    device = pick_caption_device(config.device)
    if device == "cpu" and captioner in PARAMETERS:
        estimate_captioning(captioner, PARAMETERS[captioner], len(todo), config.max_new_tokens)
    processor, model = load_captioner(captioner, device)
    if device == "cpu" and captioner not in PARAMETERS:
        estimate_captioning(
            captioner,
            sum(weight.numel() for weight in model.parameters()),
            len(todo),
            config.max_new_tokens,
        )

    def batches():
        # BLIP-1 knows no padding of prompts
        for prompt, alike in groupby(sorted(todo, key=prompt_of), key=prompt_of):
            alike = list(alike)
            for start in range(0, len(alike), config.batch_size):
                batch = alike[start : start + config.batch_size]
                pictures = [
                    Image.open(collection.resized / row["filename"]).convert("RGB") for row in batch
                ]
                for row, (caption, cut) in zip(
                    batch,
                    caption_pictures(
                        pictures, [prompt] * len(batch), processor, model, config.max_new_tokens
                    ),
                ):
                    yield row, caption, cut

    return batches()
