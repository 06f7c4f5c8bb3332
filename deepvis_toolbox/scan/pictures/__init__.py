"""The pictures that a scan looks at: listed, read, decoded beside the network."""
