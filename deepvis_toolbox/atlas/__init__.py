"""The atlas: a static site with every unit of a network, its pictures, and what is known of it."""
