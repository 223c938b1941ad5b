"""Evidence: who said what about which bytes, in which order, and may it be believed."""
