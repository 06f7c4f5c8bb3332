"""The figures, a module each; the registry `FIGURES` finds them here."""
