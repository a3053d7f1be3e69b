"""TensorBoard says, epoch by epoch, who wrote the captions that it shows."""

from oneseed.model.caption_source import SOURCE_WORDS


def test_every_epoch_says_who_wrote_its_captions(tiny_run):
    """Borrowed captions read so well that a run looked finished after one epoch."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tiny_run / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    found = events.Tensors("captions/source/text_summary")
    assert [event.step for event in found] == [1, 2]
    for event in found:
        source, _, sentence = event.tensor_proto.string_val[0].decode().partition("  \n")
        assert sentence == SOURCE_WORDS[source].model
