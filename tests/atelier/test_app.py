"""The command line of app.py."""

import pytest

from atelier import app


def test_the_page_stays_on_this_machine_unless_told_otherwise():
    options = app.read([])
    assert (options.listen, options.share, options.auth, options.device) == (False, False, None, "auto")


@pytest.mark.parametrize("door", ["--listen", "--share"])
def test_letting_others_in_needs_a_login(door, capsys):
    with pytest.raises(SystemExit) as stopped:
        app.read([door])
    assert stopped.value.code == 2
    assert "--auth NAME:PASSWORD" in capsys.readouterr().err
    assert app.read([door, "--auth", "ann:secret:with:colons"]).auth == ("ann", "secret:with:colons")


@pytest.mark.parametrize("login", ["ann", "ann:", ":secret"])
def test_half_a_login_is_none(login):
    with pytest.raises(SystemExit):
        app.read(["--auth", login])
