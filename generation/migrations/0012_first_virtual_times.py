from __future__ import annotations

from typing import Any

from django.db import migrations


def start_clocks(apps: Any, schema_editor: Any) -> None:
    """Each pool's clock shows what was taken last by a worker that offers it: the queue goes on as it was.

    Until now this was looked up at each submission. Jobs that somebody hurried did not count, nor do they now.
    """
    Worker, Clock = (apps.get_model("generation", name) for name in ("Worker", "FairnessClock"))
    database = schema_editor.connection.alias
    taken = []
    for worker in Worker.objects.using(database).order_by("pk"):
        last = worker.attempts.select_related("job").order_by("-id").first()
        if last and last.job.priority == 0:
            taken.append((last.pk, last.job.fair_tag, worker.pools))
    times = {pool: tag for _, tag, pools in sorted(taken) for pool in pools if len(pool) <= 100}
    Clock.objects.using(database).bulk_create(
        Clock(pool=pool, virtual_time=tag) for pool, tag in times.items()
    )


class Migration(migrations.Migration):
    dependencies = [("generation", "0011_reap_hold_and_fairness_clock")]

    operations = [migrations.RunPython(start_clocks, migrations.RunPython.noop)]
