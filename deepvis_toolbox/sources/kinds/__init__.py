"""One module for each kind of source; every module here is found and registered by itself."""
