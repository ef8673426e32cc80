"""The record of a run: a JSON file of numbers and versions, and a table for the terminal."""

from equiform._record import format_table, versions, write_json

__all__ = ["format_table", "versions", "write_json"]
