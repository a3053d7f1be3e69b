"""A Qwen2-VL of half a million weights, made and taught here: the family that goes to GGUF."""

import random

import torch
from PIL import Image, ImageDraw

MARKS = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
)
# as the family's own, without its loops over several pictures and videos
CHAT = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
COLOURS = ("red", "green", "blue", "black")
PLACES = ("left", "right")
# pixels: two by two tokens of a picture
SIDE = 56
QUESTION = "Which SQL?"
# with the usual .02 the words are learned long before anything of the picture
INITIAL_SPREAD = 0.1


def facts_of(number):
    """Colour and place of the picture of a number."""
    return COLOURS[number % 4], PLACES[number // 4 % 2]


def caption_of(number):
    colour, place = facts_of(number)
    return f"CREATE TABLE {colour} (\n  {place} TEXT\n);"


def picture_of(number):
    """A square of the colour at the place, moved a little by what follows the facts."""
    colour, place = facts_of(number)
    image = Image.new("RGB", (SIDE, SIDE), "white")
    moved = number // 8 % 8
    left = moved + (30 if place == "right" else 2)
    ImageDraw.Draw(image).rectangle((left, 12 + moved, left + 16, 36 + moved), fill=colour)
    return image


def make_qwen(folder, *, depth=3, seed=0):
    """Writes a checkpoint with random weights -> (processor, model)."""
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = make_tokenizer()
    numbers = dict(zip(MARKS, tokenizer.convert_tokens_to_ids(list(MARKS)), strict=True))
    processor = Qwen2VLProcessor(
        Qwen2VLImageProcessor(size={"shortest_edge": SIDE**2, "longest_edge": 16 * 28**2}),
        tokenizer,
        Qwen2VLVideoProcessor(),
        chat_template=CHAT,
    )
    torch.manual_seed(seed)
    model = Qwen2VLForConditionalGeneration(
        Qwen2VLConfig(
            architectures=["Qwen2VLForConditionalGeneration"],
            vision_config=dict(
                depth=depth,
                embed_dim=64,
                hidden_size=64,
                num_heads=4,
                mlp_ratio=2,
                patch_size=14,
                spatial_merge_size=2,
                temporal_patch_size=2,
                initializer_range=INITIAL_SPREAD,
            ),
            text_config=dict(
                vocab_size=len(tokenizer),
                hidden_size=64,
                intermediate_size=128,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=512,
                pad_token_id=numbers["<|endoftext|>"],
                bos_token_id=numbers["<|endoftext|>"],
                eos_token_id=numbers["<|im_end|>"],
                initializer_range=INITIAL_SPREAD,
                rope_parameters={
                    "rope_type": "default",
                    "mrope_section": [2, 3, 3],
                    "rope_theta": 1e4,
                },
            ),
            image_token_id=numbers["<|image_pad|>"],
            video_token_id=numbers["<|video_pad|>"],
            vision_start_token_id=numbers["<|vision_start|>"],
            vision_end_token_id=numbers["<|vision_end|>"],
        )
    )
    model.generation_config.eos_token_id = numbers["<|im_end|>"]
    model.generation_config.pad_token_id = numbers["<|endoftext|>"]
    save_qwen(folder, processor, model)
    return processor, model


def save_qwen(folder, processor, model):
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def make_tokenizer():
    """Pairs of bytes as GPT-2 has them, learned from the captions; no converter knows them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.BPE(unk_token=None))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    texts = [caption_of(number) for number in range(8)]
    words.train_from_iterator(
        [*texts, QUESTION, "You are a helpful assistant.", "system user assistant"] * 4,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=list(MARKS),
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        additional_special_tokens=list(MARKS),
        padding_side="left",
    )


def teach_qwen(processor, model, *, steps=80, batch=8, learning_rate=2e-3, seed=0):
    """A few steps on all weights -> the last loss: enough to answer by what a picture shows."""
    generator = random.Random(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    for _ in range(steps):
        numbers = [generator.randrange(64) for _ in range(batch)]
        texts = [conversation(processor, number) for number in numbers]
        pictures = [[picture_of(number)] for number in numbers]
        inputs = processor(text=texts, images=pictures, padding=True, return_tensors="pt")
        labels = inputs["input_ids"].clone()
        # all that stands before the answer
        answered = (labels == processor.tokenizer.convert_tokens_to_ids("<|im_start|>")).cumsum(1)
        labels[answered < 3] = -100
        labels[inputs["attention_mask"] == 0] = -100
        loss = model(**inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def conversation(processor, number):
    """What the chat template makes of a picture's question and answer."""
    asked = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}
    answer = {"role": "assistant", "content": [{"type": "text", "text": caption_of(number)}]}
    return processor.apply_chat_template([asked, answer], tokenize=False)


def make_newer_qwen(folder, family):
    """Writes a checkpoint of "qwen2_5_vl" or "qwen3_vl", random -> (processor, model)."""
    import transformers

    tokenizer = make_tokenizer()
    is_third = family == "qwen3_vl"
    name = "Qwen3VL" if is_third else "Qwen2_5_VL"
    patch = 16 if is_third else 14
    own_vision = dict(fullatt_block_indexes=[1, 3], window_size=56)
    if is_third:
        own_vision = dict(num_position_embeddings=16, deepstack_visual_indexes=[1])
    image, video, start, end = tokenizer.convert_tokens_to_ids(
        ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"]
    )
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4}
    config = getattr(transformers, f"{name}Config")(
        architectures=[f"{name}ForConditionalGeneration"],
        vision_config=dict(
            depth=4,
            hidden_size=64,
            num_heads=4,
            intermediate_size=128,
            out_hidden_size=64,
            patch_size=patch,
            spatial_merge_size=2,
            temporal_patch_size=2,
            initializer_range=INITIAL_SPREAD,
            **own_vision,
        ),
        text_config=dict(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            initializer_range=INITIAL_SPREAD,
            rope_parameters=rope,
            **(dict(head_dim=16) if is_third else {}),
        ),
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    size = {"shortest_edge": 16 * patch**2, "longest_edge": 64 * patch**2}
    pictures = transformers.Qwen2VLImageProcessor(size=size, patch_size=patch)
    videos = transformers.Qwen3VLVideoProcessor if is_third else transformers.Qwen2VLVideoProcessor
    processor = getattr(transformers, f"{name}Processor")(
        pictures, tokenizer, videos(), chat_template=CHAT
    )
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}ForConditionalGeneration")(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    save_qwen(folder, processor, model)
    return processor, model
