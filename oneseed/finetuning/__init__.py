"""Teaching a captioner on a prepared collection: what caption_finetuning.py needs.

From a checkpoint that looks at pictures and writes, to one that writes as the collection does: its
parts, low-rank matrices beside its frozen weights, batches whose answers alone count, looks at
held-out pictures, and the merged checkpoint that other programs read.
"""
