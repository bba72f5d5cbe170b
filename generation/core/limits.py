"""Length limits shared by columns, forms and APIs."""

from __future__ import annotations

NAME_LENGTH = 80  # of a project, a token, a worker
IDEMPOTENCY_KEY_LENGTH = 200
SEARCH_LENGTH = 200
TITLE_LENGTH = 200
SAVED_SEARCH_LENGTH = 4000
MAX_RATING = 5  # stars
ADDRESS_LENGTH = 45  # of the longest IPv6 address as text
# In what workers send.
POOL_LENGTH = 100
MODEL_LENGTH = 40  # of a model's name
MODEL_TITLE_LENGTH = 120
LICENCE_LENGTH = 120
EMBEDDING_MODEL_LENGTH = 80
URL_LENGTH = 300
STAGE_LENGTH = 40
DEVICE_LENGTH = 120  # of its software too
REASON_LENGTH = 300
ERROR_CODE_LENGTH = 40
ERROR_MESSAGE_LENGTH = 500
METADATA_BYTES = 32 * 1024  # as JSON, of one asset or one job
