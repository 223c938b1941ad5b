"""What each generated page says; `docs/generate.py` writes them."""
