"""A vision-language captioner taught on the user's own pairs, proved at each hand-over."""
