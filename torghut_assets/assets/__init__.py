"""The assets: thin. Typed records in, one domain call, one record out."""
