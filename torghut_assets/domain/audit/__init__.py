"""Audit packs: one file that holds a decision with everything that it rests on."""
