"""Another network beside the first: opened by what a flag names, its units matched with the first one's."""
