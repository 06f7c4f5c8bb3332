"""`--fetch NAME`: the files that a model.yaml lists, downloaded, checked, unpacked."""
