"""Copies every table to another database, for `manage.py move_to`.

Why so: docs/decisions/0023-moving-to-another-database.md.
"""
