"""What several test files need: the project on the import path, and small fakes."""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("TQDM_DISABLE", "1")


@pytest.fixture(scope="session")
def tiny_blip2():
    """tiny_blip2(path): saves an untrained BLIP-2 of 82 thousand parameters and its processor there, without network -> path."""

    def build(path):
        import torch
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
        from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2Processor, BlipImageProcessor, PreTrainedTokenizerFast
        words = Tokenizer(models.BPE(unk_token=None))
        words.pre_tokenizer, words.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        words.train_from_iterator(["an engraving of a castle on a hill", "a drawing of two ships"] * 4,
                                  trainers.BpeTrainer(vocab_size=400, special_tokens=["<pad>", "<s>", "</s>"], show_progress=False,
                                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", bos_token="<s>", eos_token="</s>")
        processor = Blip2Processor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer, num_query_tokens=4)
        size, shape = len(processor.tokenizer), dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4)
        config = Blip2Config(vision_config=dict(**shape, intermediate_size=64, image_size=32, patch_size=8),
                             qformer_config=dict(**shape, intermediate_size=64, encoder_hidden_size=32, vocab_size=size),
                             text_config=dict(**shape, model_type="opt", vocab_size=size, ffn_dim=64, word_embed_proj_dim=32,
                                              max_position_embeddings=256, pad_token_id=0, bos_token_id=1, eos_token_id=2),
                             num_query_tokens=4, image_token_index=processor.tokenizer.convert_tokens_to_ids("<image>"))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = Blip2ForConditionalGeneration(config)
        model.generation_config.pad_token_id, model.generation_config.eos_token_id = 0, 2
        model.save_pretrained(path)
        processor.save_pretrained(path)
        return path

    return build
