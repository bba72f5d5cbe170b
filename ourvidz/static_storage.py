"""Static files under names that change with their content, in imports of JavaScript modules too."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    support_js_module_import_aggregation = True
    # A pass may name only one level of imports, as it takes the files as listed. Django's 5 are too few.
    max_post_process_passes = 20
