from pathlib import Path

import pytest
from matplotlib.figure import Figure

from figures import write_figure


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.png, .* got care-0\.5"):
        write_figure(Figure(), tmp_path / "care-0.5")
    write_figure(Figure(), tmp_path / "new" / "care-0.5.png")
    assert {file.name for file in (tmp_path / "new").iterdir()} == {"care-0.5.png", "care-0.5.svg"}
