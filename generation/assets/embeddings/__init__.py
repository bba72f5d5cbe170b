"""Finding by content: embedders make vectors of results and texts, pgvector compares them (decision 53)."""
