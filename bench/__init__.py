"""Benchmarks; `script/bench` starts them. The product imports nothing from here."""
