from __future__ import annotations

import sys

from ourvidz_worker.cli import main

sys.exit(main())
