"""What the training loop needs and its reader may skip."""
