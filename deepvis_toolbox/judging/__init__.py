"""How far to trust preferred images: what other networks make of them, how natural they are, and what they cause."""
