"""The served page from outside, without a browser: headers, doors, downloads, the endpoint for programs."""

from __future__ import annotations

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from engines.base import EngineError
from engines.style import SWATCHES
from tests.ui.conftest import Drawing
from ui.downloads import Downloads


@pytest.fixture(scope="module")
def client(address):
    return Client(address, verbose=False)


def test_nobody_may_frame_the_page_or_feed_it_foreign_code(address):
    headers = httpx.get(address).headers
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in headers["content-security-policy"]


def test_only_the_endpoints_for_programs_are_public(client):
    endpoints = list(client.view_api(return_format="dict")["named_endpoints"])
    assert endpoints == ["/clipdraw", "/styleclipdraw", "/styleclip-directions", "/dreamstyler", "/unclip"]


def test_a_run_that_rests_answers_and_ends(client, studio):
    answers = list(client.submit("face with glasses", api_name="/styleclip-directions"))
    assert answers[-1]["state"] == "stopped"
    assert answers[-1]["image"].startswith("data:image/jpeg;base64,")


def test_a_program_draws(client):
    job = client.submit("a red apple", 5, 3, "pocket", {"strokes": 4}, api_name="/clipdraw")
    answer = job.result()
    assert (answer["state"], answer["step"], answer["steps"]) == ("finished", 5, 5)
    assert answer["image"].startswith("data:image/jpeg;base64,")
    assert answer["svg"].count("<path") == 4


def test_a_program_chooses_a_swatch(client):
    job = client.submit("a red apple", 3, None, "pocket", {"swatch": list(SWATCHES)[1]}, api_name="/styleclipdraw")
    assert job.result()["state"] == "finished"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"init_image": "/etc/passwd"}, "takes a file and cannot be set here"),
        ({"nonsense": 1}, "There is no setting 'nonsense'"),
        ({"strokes": 10**9}, "has to be at most 64"),
        ({"fail_at": 2}, "The strokes fell off the paper"),
    ],
)
def test_a_program_is_told_what_is_wrong(client, settings, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict("a red apple", 5, 3, "pocket", settings, api_name="/clipdraw")


def test_without_the_login_there_is_nothing(studio):
    from ui import page

    app, address = page.serve(
        studio, engines={"clipdraw": Drawing}, shared=True, auth=("ann", "secret"), prevent_thread_lock=True, quiet=True
    )
    try:
        question = {"data": {}, "component_id": 1, "fn_name": "poll", "session_hash": "x"}
        assert httpx.get(f"{address}config").status_code == 401
        assert httpx.post(f"{address}gradio_api/component_server", json=question).status_code == 401
        assert httpx.post(f"{address}gradio_api/run/clipdraw", json={"data": ["a cat"]}).status_code == 401
    finally:
        app.get_blocks().close(verbose=False)


@pytest.mark.parametrize("path", ["downloads/guess", "downloads/..%2f..%2fetc%2fpasswd", "gradio_api/file=/etc/passwd"])
def test_files_cannot_be_guessed(address, path):
    answer = httpx.get(address + path)
    assert answer.status_code in (403, 404)
    assert "root:" not in answer.text


def test_an_offer_can_be_fetched_until_it_is_old(tmp_path, monkeypatch):
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    (tmp_path / "drawing.svg").write_text("<svg/>")
    downloads = Downloads()
    visitor = TestClient(Starlette(routes=[downloads.route]))
    address = downloads.offer(tmp_path / "drawing.svg")
    answer = visitor.get(f"/{address}")
    assert answer.text == "<svg/>"
    assert 'filename="drawing.svg"' in answer.headers["content-disposition"]
    monkeypatch.setattr("ui.downloads._LIFETIME", -1.0)
    assert visitor.get(f"/{address}").status_code == 404


def test_a_run_is_known_by_its_whole_id_only(studio):
    run = studio.start("clipdraw", {"num_steps": 1})
    run.join()
    with pytest.raises(EngineError, match="no such run"):
        studio.get(run.id[:-1])
