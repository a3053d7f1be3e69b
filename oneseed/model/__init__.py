"""Everything inside a checkpoint: the networks, the prior, the vocabulary, the file."""
