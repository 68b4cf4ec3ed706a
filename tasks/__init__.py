"""The tasks of this suite: each a package with its data, networks, metrics and configs, plugged into `lwdna_core`."""
