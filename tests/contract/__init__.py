"""Every public callable once, and what holds of all of them.

``table`` lists the callables with makers of valid inputs; ``inputs`` makes bad and extreme ones of
those; ``outcomes`` says what may come of it. ``python -m tests.contract`` prints the counts.
"""
