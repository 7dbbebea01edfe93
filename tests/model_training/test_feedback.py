"""What is wrong with asking the centre is one line; the way itself is in tests/e2e."""

import pytest

from model_training.__main__ import main


@pytest.mark.parametrize(
    ("url", "token", "said"),
    [
        ("https://127.0.0.1:9", None, "--token-file: "),
        ("https://127.0.0.1:9", "ewt_x", "https://127.0.0.1:9: "),
        ("http://192.0.2.1", "ewt_x", "use https"),
        ("centre.lan", "ewt_x", "is no address"),
    ],
)
def test_what_cannot_be_asked_is_one_line(tmp_path, capsys, url, token, said):
    file = tmp_path / "token"
    if token is not None:
        file.write_text(token)
    options = ["--url", url, "--token-file", str(file), "--folder", str(tmp_path / "said")]
    assert main(["feedback", *options]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
