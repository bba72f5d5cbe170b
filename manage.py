#!/usr/bin/env python
"""Django's command line for OurVidz."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ourvidz.settings")
    from django.core.management import execute_from_command_line

    from ourvidz.private_files import UMASK

    os.umask(UMASK)
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
