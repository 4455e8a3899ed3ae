"""The report: pictures that decode, a page that stands alone, a player that plays in a browser."""

import base64
import html.parser
import http.server
import io
import json
import queue
import re
import shutil
import subprocess
import threading
import zlib

import numpy as np
import pytest
import soundfile

from mgdm_audio.presets import QUALITIES
from mgdm_audio.report.png import png, squeeze
from mgdm_audio.separator import Separator

from .conftest import music

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def separation(prior):
    separator = Separator(prior, steps=2, samples=2, churn=1.0)
    result = separator.separate(music(2.0, 44100), 44100)
    result.settings["track"] = "dir/<b>song</b> & co.wav"
    return result


@pytest.fixture(scope="module")
def page(separation, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert separation.report(path) == path
    return path.read_text(encoding="utf-8")


def test_png_against_the_format():
    image = png(np.array([[0.0, 1.0], [2.0, 3.0], [-5.0, 9.0]]), 0, 3)
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(image[at : at + 4], "big") for at in (16, 20))
    assert (width, height) == (2, 3)
    start = image.index(b"IDAT")
    length = int.from_bytes(image[start - 4 : start], "big")
    rows = zlib.decompress(image[start + 4 : start + 4 + length])
    assert list(rows) == [0, 0, 255, 0, 170, 255, 0, 0, 85]  # filter byte, then a row from the top


def test_squeezing_keeps_the_mean():
    values = np.arange(12.0).reshape(2, 6)
    np.testing.assert_allclose(squeeze(values, 3), [[0.5, 2.5, 4.5], [6.5, 8.5, 10.5]])
    assert squeeze(values, 100) is values


def test_the_page_needs_nothing_else(page):
    """No address of anything outside it; what it loads is inside."""
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert "http" not in re.sub(r'<script type="text/plain".*?</script>', "", page, flags=re.S)
    assert "<b>song</b>" not in page
    html.parser.HTMLParser().feed(page)


def test_rows_audio_and_doubt(page, separation):
    names = re.findall(r'<section class="track" data-name="(\w+)"', page)
    assert names == ["mixture", "bass", "drums", "guitar", "piano"]
    audio = re.findall(r'class="audio">(.*?)</script>', page, flags=re.S)
    data, rate = soundfile.read(io.BytesIO(base64.b64decode(audio[0])))
    mixture = separation.mixture.numpy().T
    assert rate == 44100
    assert data.shape == mixture.shape
    assert np.corrcoef(data[:, 0], mixture[:, 0])[0, 1] > 0.9
    assert page.count('class="doubt"') == 4
    assert "of its energy differs between draws" in page


@pytest.mark.parametrize("quality", QUALITIES)
def test_estimates_of_the_mean_say_that_they_know_no_spread(prior, tmp_path, quality):
    result = Separator(prior, quality=quality).separate(music(0.5, 22050), 22050)
    text = result.report(tmp_path / "r.html").read_text()
    assert "--sampler conditional --draws 4" in text
    assert 'class="doubt"' not in text


PROBE = """<script>
(async () => {
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  while (document.body.dataset.state === "loading") await wait(20);
  const found = { state: document.body.dataset.state, lengths: document.body.dataset.lengths };
  const gains = async () => { await wait(200); return rows.map((row) => row.gain.gain.value > 0.5); };
  if (found.state === "ready") {
    playButton.click();
    await wait(600);
    found.moved = position();
    found.stems = await gains();
    rows[2].solo.click();
    found.solo = await gains();
    rows[2].solo.click();
    rows[1].mute.click();
    found.mute = await gains();
    seek(1);
    found.sought = position();
    found.pictures = [...document.images].map((image) => image.naturalWidth);
    playButton.click();
    found.paused = !playing;
  }
  await fetch("/found", { method: "POST", body: JSON.stringify(found) });
})();
</script></body>"""  # noqa: E501


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_player_in_a_browser(page, tmp_path):
    found = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.replace("</body>", PROBE).encode())

        def do_POST(self):
            found.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    flags += "--disable-background-networking --disable-component-update --disable-sync "
    flags += "--autoplay-policy=no-user-gesture-required --remote-debugging-port=0"
    browser = subprocess.Popen(
        [CHROMIUM, *flags.split(), f"--user-data-dir={tmp_path / 'profile'}",
         f"http://127.0.0.1:{server.server_port}/"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        result = found.get(timeout=120)
    finally:
        browser.terminate()
        browser.wait(30)
        server.shutdown()
        server.server_close()
    assert result["state"] == "ready"
    lengths = {float(length) for length in result["lengths"].split()}
    assert len(lengths) == 1
    assert lengths.pop() == pytest.approx(2.0, abs=0.1)
    assert result["moved"] > 0.2
    assert result["stems"] == [False, True, True, True, True]
    assert result["solo"] == [False, False, True, False, False]
    assert result["mute"] == [False, False, True, True, True]
    assert result["sought"] == pytest.approx(1.0, abs=0.3)
    assert len(result["pictures"]) == 9
    assert all(width > 40 for width in result["pictures"])
    assert result["paused"]
