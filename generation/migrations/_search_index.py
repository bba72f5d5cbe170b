"""The full-text index of the search entries, as each engine has it."""

from __future__ import annotations

from typing import Any

# A short list of what is not sorted into the index yet: each search reads it whole.
POSTGRESQL = (
    "CREATE INDEX search_entry_tokens ON generation_searchentry USING gin (tokens)"
    " WITH (fastupdate = on, gin_pending_list_limit = 128)",
)
# The tokens are what the tokenizer would make of them: no punctuation but what it is told of, no upper case.
# FTS5 reads the text from the entries, so that it is stored once; the triggers keep it in step with them.
REMOVE = (
    "INSERT INTO generation_search (generation_search, rowid, tokens) VALUES ('delete', old.id, old.tokens);"
)
ADD = "INSERT INTO generation_search (rowid, tokens) VALUES (new.id, new.tokens);"
SQLITE = (
    "CREATE VIRTUAL TABLE generation_search USING fts5 (tokens, content='generation_searchentry',"
    " content_rowid='id', tokenize=\"ascii tokenchars '_'\")",
    f"CREATE TRIGGER search_entry_added AFTER INSERT ON generation_searchentry BEGIN {ADD} END",
    f"CREATE TRIGGER search_entry_removed AFTER DELETE ON generation_searchentry BEGIN {REMOVE} END",
    "CREATE TRIGGER search_entry_changed AFTER UPDATE OF tokens ON generation_searchentry"
    f" BEGIN {REMOVE} {ADD} END",
)


def make_index(apps: Any, schema_editor: Any) -> None:
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


def drop_index(apps: Any, schema_editor: Any) -> None:
    """In PostgreSQL, and the triggers in SQLite, it goes with the table."""
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TABLE generation_search")


def begin_build(apps: Any, schema_editor: Any) -> None:
    """Let the chores add what there is already: newest first, while the server serves."""
    alias = schema_editor.connection.alias
    if apps.get_model("generation", "Asset").objects.using(alias).exists():
        below = "f" * 32
        apps.get_model("generation", "SearchIndexBuild").objects.using(alias).create(below=below)


def forget_build(apps: Any, schema_editor: Any) -> None:
    builds = apps.get_model("generation", "SearchIndexBuild")
    builds.objects.using(schema_editor.connection.alias).all().delete()
