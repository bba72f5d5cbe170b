"""The sketch engine: procedural pictures and films from a prompt and a seed, without a GPU."""
