"""Who may: keys and tokens, what they allow, and how much."""
