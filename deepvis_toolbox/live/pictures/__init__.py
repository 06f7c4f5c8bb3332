"""Pictures in and out of the window: unit images shown, screenshots and films saved."""
