"""Engines on diffusers' pipelines: SDXL and Wan. Importing anything here imports torch."""
