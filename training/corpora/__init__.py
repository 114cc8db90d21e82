"""Text that we wrote ourselves, as grammars: each module gives rows of (text, labels)."""
