"""A progress bar for the current job, if stderr is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ourvidz_worker.log import console
from ourvidz_worker.protocol import Job

ProgressCallback = Callable[[float, str], None]


@contextmanager
def progress_bar(job: Job) -> Iterator[ProgressCallback]:
    """Yields a callback, which takes the share of the job that is done, 0..1, and the stage as one word."""
    screen = console()
    if screen is None:
        yield lambda share, stage: None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[stage]}", markup=False),
    )
    with Progress(*columns, console=screen, transient=True, redirect_stdout=False) as progress:
        task = progress.add_task(f"{job.job_type} × {len(job.slots)}", total=1.0, stage="starting")
        yield lambda share, stage: progress.update(task, completed=share, stage=stage)
