from pathlib import Path

import pytest

from proteins import load_chains


def test_absent_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.zip' does not exist"):
        load_chains(str(tmp_path / "absent.zip"), tmp_path)
