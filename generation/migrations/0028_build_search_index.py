from __future__ import annotations

from django.db import migrations

from generation.migrations._search_index import begin_build, forget_build


class Migration(migrations.Migration):
    dependencies = [("generation", "0027_search")]

    operations = [migrations.RunPython(begin_build, forget_build)]
