"""Imported first of all by the programs: until they answer signals themselves, Ctrl-C ends them without a word, where
Python would print a traceback of its imports."""

import _signal  # type: ignore[import-not-found]  # what `signal` is made of: that takes its time to import

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # not where it is ignored
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
