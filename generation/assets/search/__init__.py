"""Finding results: one tokenizer and one query language for both engines (decision 36)."""
