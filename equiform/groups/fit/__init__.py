"""How elements of a group are found: polar factors, Witt extension, starts, descent."""
