"""Questions about decisions that were made: who and what, what differs, what rests on what."""
