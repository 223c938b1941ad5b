"""Strategy candidates: specification, plugin contract, build and conformance."""
