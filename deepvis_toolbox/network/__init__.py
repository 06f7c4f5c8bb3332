"""The network and its three verbs: describe, forward, backward."""
