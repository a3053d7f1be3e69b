"""Files of any kind: read into the square of pixels that the model sees, and written again."""
