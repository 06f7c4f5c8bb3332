"""From what a person names, a model.yaml, a library's model, a factory, loose files, to a network."""
