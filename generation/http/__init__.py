"""Shared by both APIs: views, bodies, fields, problem objects, OpenAPI helpers."""
