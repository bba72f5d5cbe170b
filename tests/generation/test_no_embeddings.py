"""Where the database is SQLite there are no embeddings, and nothing asks for any."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from generation.assets.embeddings import model
from generation.assets.embeddings.nearest import State, by_meaning, similar_to
from generation.maintenance import embeddings as chores
from generation.models import Embedding, TextEmbedding, Worker
from tests.factories import complete, make_job


@pytest.mark.skipif("postgresql" in connection.settings_dict["ENGINE"], reason="there they may be")
def test_sqlite_has_none(owner: User, worker: Worker) -> None:
    with pytest.raises(CommandError, match="PostgreSQL with pgvector; this is SQLite"):
        call_command("embeddings", "enable")
    [result] = complete(make_job(owner, quantity=1), worker)
    assert model.current() is None
    assert similar_to(owner_id=owner.pk, asset_id=result.pk, alike=0).state == State.UNKNOWN
    assert by_meaning(owner_id=owner.pk, text="a fox", alike=0).state == State.UNKNOWN
    assert chores.want_older_results() == 0
    assert not Embedding.objects.exists()
    assert not TextEmbedding.objects.exists()
