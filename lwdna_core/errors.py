"""Errors that the user of lwdna can mend. The command line prints their message in one line and exits with 2."""


class LwdnaError(Exception):
    """Base of every error whose message says what to change: a file, a key, a layer, and what was expected of it."""
