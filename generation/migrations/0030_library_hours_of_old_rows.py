from __future__ import annotations

from django.db import migrations

from generation.migrations._library_hours import fill_hours


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("generation", "0029_library_hours")]

    operations = [migrations.RunPython(fill_hours, migrations.RunPython.noop)]
