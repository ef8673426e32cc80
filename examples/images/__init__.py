"""What the examples on images share: data, encoder, objectives, runs, and what is measured of them.

Import from its modules, so that each asks only for the packages it needs.
"""
