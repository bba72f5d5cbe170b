"""What a job was made with: `{{ job|model_title }}`, `{% for label, value in job|setting_words %}`."""

from __future__ import annotations

from django import template

from generation.jobs import model_words
from generation.models import Job

register = template.Library()
setting_words = register.filter(model_words.setting_words)


@register.filter
def model_title(job: Job) -> str:
    """The model's title, else its name; one query for a job with a model."""
    return model_words.model_titles([job]).get(job.model, job.model)
