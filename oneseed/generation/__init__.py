"""From seeds, words or a picture to pairs and files."""
