"""What all commands share: how they end, how they read values."""
