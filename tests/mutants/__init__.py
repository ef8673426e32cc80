"""The library, broken on purpose, one line at a time; see ``__main__``."""
