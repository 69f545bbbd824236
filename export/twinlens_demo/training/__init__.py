"""The training: tokenizer, captions, augmentation, model and training loop."""
