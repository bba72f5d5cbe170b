from __future__ import annotations

from django.db import migrations

from generation.migrations._folding import fill_search_text


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("generation", "0020_folded_text")]

    operations = [migrations.RunPython(fill_search_text, migrations.RunPython.noop)]
