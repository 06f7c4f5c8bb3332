"""The one language of all commands: their flags, how values are read, what help looks like, how they end."""
