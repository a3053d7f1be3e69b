"""Tiny untrained captioners of several families, built without network: (processor, model)."""

CHAT = (
    "{% for message in messages %}{{ message.role }}: {% for part in message.content %}"
    "{% if part.type == 'image' %}PICTURE{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}\n{% endfor %}assistant:"
)


def words_with(*special, **named):
    """A small tokenizer with a model's own marks, and the text side's settings for it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.BPE(unk_token=None))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    words.train_from_iterator(
        ["Describe it in one sentence that begins: an engraving of a castle on a hill"] * 4,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["<pad>", "<s>", "</s>", *special],
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=list(special),
        extra_special_tokens=named,
    )
    return tokenizer, dict(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.5,
    )


VISION = dict(
    hidden_size=32,
    intermediate_size=64,
    num_attention_heads=4,
    image_size=32,
    patch_size=8,
    initializer_range=0.5,
)


def tiny_llava():
    from transformers import (
        CLIPImageProcessor,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tokenizer, text = words_with("<image>")
    processor = LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        tokenizer,
        patch_size=8,
        num_additional_image_tokens=1,
        vision_feature_select_strategy="default",
        chat_template=CHAT.replace("PICTURE", "<image>"),
    )
    return processor, LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=dict(
                model_type="clip_vision_model", **VISION, num_hidden_layers=3, projection_dim=32
            ),
            text_config=dict(model_type="llama", **text),
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
            vision_feature_select_strategy="default",
        )
    )


def tiny_qwen():
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    marks = [
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|image_pad|>",
        "<|video_pad|>",
    ]
    tokenizer, text = words_with(*marks)
    _, _, start, end, image, video = tokenizer.convert_tokens_to_ids(marks)
    processor = Qwen2VLProcessor(
        Qwen2VLImageProcessor(size={"shortest_edge": 56 * 56, "longest_edge": 112 * 112}),
        tokenizer,
        Qwen2VLVideoProcessor(),
        chat_template=CHAT.replace("PICTURE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return processor, Qwen2VLForConditionalGeneration(
        Qwen2VLConfig(
            vision_config=dict(
                depth=3,
                embed_dim=32,
                hidden_size=32,
                num_heads=4,
                mlp_ratio=2,
                patch_size=14,
                spatial_merge_size=2,
                temporal_patch_size=2,
                initializer_range=0.5,
            ),
            text_config=dict(
                **text,
                rope_parameters={
                    "rope_type": "default",
                    "mrope_section": [1, 1, 2],
                    "rope_theta": 1e4,
                },
            ),
            image_token_id=image,
            video_token_id=video,
            vision_start_token_id=start,
            vision_end_token_id=end,
        )
    )


def qwen_processor(processor_class, tokenizer, patch=14):
    """Of any of Qwen's captioners. patch: pixels of one; two by two of them make a token."""
    from transformers import Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    size = {"shortest_edge": 16 * patch * patch, "longest_edge": 64 * patch * patch}
    return processor_class(
        Qwen2VLImageProcessor(size=size, patch_size=patch),
        tokenizer,
        Qwen2VLVideoProcessor(patch_size=patch),
        chat_template=CHAT.replace("PICTURE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )


QWEN_MARKS = (
    *("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|image_pad|>", "<|video_pad|>"),
)
QWEN_ROPE = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}


def qwen_tokens(tokenizer):
    """The numbers of Qwen's marks, as a configuration names them."""
    _, _, start, end, image, video = tokenizer.convert_tokens_to_ids(list(QWEN_MARKS))
    return dict(
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )


def tiny_qwen25():
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
    )

    tokenizer, text = words_with(*QWEN_MARKS)
    vision = dict(
        depth=3,
        hidden_size=32,
        out_hidden_size=32,
        num_heads=4,
        intermediate_size=64,
        patch_size=14,
        spatial_merge_size=2,
        temporal_patch_size=2,
        window_size=56,
        fullatt_block_indexes=[2],
        initializer_range=0.5,
    )
    processor = qwen_processor(Qwen2_5_VLProcessor, tokenizer)
    return processor, Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            vision_config=vision,
            text_config=dict(**text, rope_parameters=QWEN_ROPE),
            **qwen_tokens(tokenizer),
        )
    )


def tiny_qwen3():
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor

    tokenizer, text = words_with(*QWEN_MARKS)
    vision = dict(
        depth=3,
        hidden_size=32,
        out_hidden_size=32,
        num_heads=4,
        intermediate_size=64,
        patch_size=16,
        spatial_merge_size=2,
        temporal_patch_size=2,
        num_position_embeddings=64,
        deepstack_visual_indexes=[0, 1],
        initializer_range=0.5,
    )
    processor = qwen_processor(Qwen3VLProcessor, tokenizer, patch=16)
    return processor, Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(
            vision_config=vision,
            text_config=dict(**text, head_dim=8, rope_parameters=QWEN_ROPE),
            **qwen_tokens(tokenizer),
        )
    )


def tiny_smolvlm():
    from transformers import (
        SmolVLMConfig,
        SmolVLMForConditionalGeneration,
        SmolVLMImageProcessor,
        SmolVLMProcessor,
        SmolVLMVideoProcessor,
    )

    tokenizer, text = words_with(
        image_token="<image>",
        fake_image_token="<fake_token_around_image>",
        global_image_token="<global-img>",
        end_of_utterance_token="<end_of_utterance>",
    )
    side = {"longest_edge": 32}
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(size=side, max_image_size=side, do_image_splitting=False),
        tokenizer,
        SmolVLMVideoProcessor(size=side, video_sampling=dict(fps=1, max_frames=4, video_size=side)),
        image_seq_len=4,
        chat_template=CHAT.replace("PICTURE", "<image>"),
    )
    text["vocab_size"] = len(tokenizer)
    return processor, SmolVLMForConditionalGeneration(
        SmolVLMConfig(
            vision_config=dict(**VISION, num_hidden_layers=2),
            text_config=dict(model_type="llama", **text),
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
            scale_factor=2,
        )
    )


def tiny_florence():
    from transformers import (
        CLIPImageProcessor,
        Florence2Config,
        Florence2ForConditionalGeneration,
        Florence2Processor,
    )

    tokenizer, _text = words_with(image_token="<image>")
    # 2 x 2 and one: 64 pixels, halved five times
    pictures = CLIPImageProcessor(
        size={"height": 64, "width": 64}, do_center_crop=False, image_seq_length=5
    )
    processor = Florence2Processor(pictures, tokenizer, num_additional_image_tokens=0)
    halved = dict(
        num_heads=(2,) * 4,
        num_groups=(2,) * 4,
        window_size=4,
        patch_size=(7, 3, 3, 3),
        patch_stride=(4, 2, 2, 2),
        patch_padding=(3, 1, 1, 1),
    )
    return processor, Florence2ForConditionalGeneration(
        Florence2Config(
            text_config=dict(
                model_type="bart",
                vocab_size=len(tokenizer),
                d_model=32,
                encoder_layers=2,
                decoder_layers=2,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=64,
                decoder_ffn_dim=64,
                max_position_embeddings=256,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=2,
                decoder_start_token_id=2,
                forced_eos_token_id=None,
                init_std=0.5,
            ),
            vision_config=dict(
                depths=(1,) * 4,
                embed_dim=(8, 8, 16, 32),
                patch_prenorm=(False, True, True, True),
                projection_dim=32,
                **halved,
            ),
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        )
    )


def tiny_gemma():
    from transformers import (
        Gemma3Config,
        Gemma3ForConditionalGeneration,
        Gemma3ImageProcessor,
        Gemma3Processor,
    )

    tokenizer, text = words_with(
        image_token="<image_soft_token>", boi_token="<start_of_image>", eoi_token="<end_of_image>"
    )
    text["vocab_size"] = len(tokenizer)
    processor = Gemma3Processor(
        Gemma3ImageProcessor(size={"height": 32, "width": 32}, do_pan_and_scan=False),
        tokenizer,
        image_seq_length=4,
        chat_template=CHAT.replace("PICTURE", "<start_of_image>"),
    )
    return processor, Gemma3ForConditionalGeneration(
        Gemma3Config(
            vision_config=dict(
                model_type="siglip_vision_model",
                **VISION,
                num_hidden_layers=2,
                vision_use_head=False,
            ),
            text_config=dict(**text, head_dim=8, sliding_window=64, query_pre_attn_scalar=8),
            mm_tokens_per_image=4,
            image_token_index=tokenizer.convert_tokens_to_ids("<image_soft_token>"),
            boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
            eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
        )
    )


def tiny_paligemma():
    from transformers import (
        PaliGemmaConfig,
        PaliGemmaForConditionalGeneration,
        PaliGemmaProcessor,
        SiglipImageProcessor,
    )

    tokenizer, text = words_with()
    pictures = SiglipImageProcessor(size={"height": 32, "width": 32}, image_seq_length=16)
    pictures.image_seq_length = 16
    processor = PaliGemmaProcessor(pictures, tokenizer)
    text["vocab_size"] = len(tokenizer)
    return processor, PaliGemmaForConditionalGeneration(
        PaliGemmaConfig(
            vision_config=dict(
                model_type="siglip_vision_model",
                **VISION,
                num_hidden_layers=2,
                projection_dim=32,
                vision_use_head=False,
            ),
            text_config=dict(model_type="gemma", **text, head_dim=8),
            projection_dim=32,
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        )
    )
