"""The report: pictures that decode, a page that stands alone, a player that plays in a browser."""

import base64
import html.parser
import http.server
import io
import itertools
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
import soxr
import torch

from mgdm_audio.errors import AudioFileError
from mgdm_audio.presets import QUALITIES
from mgdm_audio.report import page as report_page
from mgdm_audio.report.png import png, squeeze
from mgdm_audio.separation import Separation
from mgdm_audio.separator import Separator

from .conftest import music

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


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


class Nesting(html.parser.HTMLParser):
    """Open elements; one that is closed must be the innermost."""

    EMPTY = frozenset({"meta", "input", "img", "link", "br", "hr"})

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_startendtag(self, tag, attrs):
        pass  # <polygon/>

    def handle_starttag(self, tag, attrs):
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_elements_are_closed_in_turn(page):
    parser = Nesting()
    parser.feed(page)
    assert parser.open == []


def test_the_player_turns_loud_rows_down_together(tmp_path):
    """Beyond full scale nothing is cut: the rows sum to the mixture, all quieter by one factor."""
    stems = {name: torch.from_numpy(4.0 * music(1.0, 22050, 1)) for name in ("bass", "drums")}
    mixture = stems["bass"] + stems["drums"]
    path = tmp_path / "report.html"
    Separation([stems], mixture, 22050, ("bass", "drums")).report(path)
    audio = re.findall(r'class="audio">(.*?)</script>', path.read_text("utf-8"), flags=re.S)
    whole, bass, _ = (soundfile.read(io.BytesIO(base64.b64decode(one)))[0] for one in audio)
    gain = 1 / float(mixture.abs().max())
    assert gain < 0.5
    for heard, wanted in ((whole, mixture), (bass, stems["bass"])):
        error = heard[: wanted.shape[1]] - gain * wanted[0].numpy()
        assert np.square(error).mean() < 0.02 * np.square(heard).mean()


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


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1 / 44100, [0.1]), (0.9, [0.9]), (2.5, [1.1, 1.2, 0.6])]
)
def test_pieces_overlap(seconds, expected, monkeypatch):
    monkeypatch.setattr(report_page, "PIECE", 1)
    sound = torch.from_numpy(music(seconds, 44100))
    pieces = [soundfile.read(io.BytesIO(p))[0] for p in report_page._pieces(sound, 44100)]
    assert [round(len(piece) / 44100, 3) for piece in pieces] == expected
    for one, other in itertools.pairwise(pieces):
        assert np.corrcoef(one[-8820:, 0], other[:8820, 0])[0, 1] > 0.9


@pytest.mark.parametrize("rate", [192_000, 352_800, 384_000])
def test_rates_beyond_vorbis(rate, monkeypatch):
    monkeypatch.setattr(report_page, "PIECE", 1)
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(round(1.5 * rate)) / rate)
    sound = torch.from_numpy(np.stack([tone, 0.5 * tone]).astype(np.float32))
    for piece, begin, seconds in zip(
        report_page._pieces(sound, rate), (0.0, 0.9), (1.1, 0.6), strict=True
    ):
        data, played = soundfile.read(io.BytesIO(piece))
        assert played == (192_000 if rate == 192_000 else 48_000)
        assert len(data) == pytest.approx(seconds * played, abs=1)
        expected = np.sin(2 * np.pi * 1000 * (begin + np.arange(len(data)) / played))
        inside = slice(played // 50, -played // 50)
        assert np.abs(data[inside, 0] - 0.5 * expected[inside]).max() < 0.05
        assert np.abs(data[inside, 1] - 0.25 * expected[inside]).max() < 0.05


# What the test's page does when it is loaded; PROBE is put into the middle.
HARNESS = """<script>
(async () => {
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const found = {};
  try {
    while (document.body.dataset.state === "loading") await wait(20);
    found.state = document.body.dataset.state;
    PROBE
  } catch (error) { found.error = String(error); }
  await fetch("/found", { method: "POST", body: JSON.stringify(found) });
})();
</script></body>"""

CONTROLS = """
    found.lengths = (await decode(0)).map((buffer) => buffer.duration);
    const gains = async () => {
      await wait(200);
      return rows.map((row) => row.gain.gain.value > 0.5);
    };
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
"""

# Records what the rows give to the loudspeaker, on the browser's thread for sound.
RECORD = """
    const code = `registerProcessor("tape", class extends AudioWorkletProcessor {
      process(inputs) { this.port.postMessage(inputs[0].map((x) => x.slice())); return true; }
    })`;
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    const merger = new ChannelMergerNode(context, { numberOfInputs: rows.length });
    rows.forEach((row, index) => row.gain.connect(merger, 0, index));
    const tape = new AudioWorkletNode(context, "tape", { channelCount: rows.length, channelCountMode: "explicit", channelInterpretation: "discrete" });
    merger.connect(tape).connect(context.destination);
    await context.resume();
    rows[0].mute.click();
    await wait(300);
    found.rate = context.sampleRate;
    found.most = 0;
    const take = async (from) => {
      const blocks = [];
      seek(from);
      tape.port.onmessage = (event) => blocks.push(event.data);
      playButton.click();
      while (playing) { await wait(50); found.most = Math.max(found.most, decoded.size); }
      return rows.map((_, row) => blocks.flatMap((block) => [...(block[row] ?? new Float32Array(128))]));
    };
    found.whole = await take(0);
    found.part = await take(0.97);
    found.after = [position(), sources.size];
"""  # noqa: E501

PHONE = """
    const seen = (element) => element.getBoundingClientRect().width > 0;
    const frame = document.createElement("iframe");
    frame.style = "width: 390px; height: 844px; border: 0; position: fixed; top: 0; left: 0";
    frame.srcdoc = document.documentElement.outerHTML.replace(/<script>[^]*?<[/]script>/g, "");
    await new Promise((done) => { frame.onload = done; document.body.append(frame); });
    const page = frame.contentDocument;
    const boxes = (which) => [...page.querySelectorAll(which)].filter(seen).map((element) => {
      const box = element.getBoundingClientRect();
      return [box.left, box.right, box.width, box.height];
    });
    found.width = page.documentElement.scrollWidth;
    found.touched = boxes("button, input");
    found.all = boxes("h1, h2, p, dd, dt, b, span, svg, img, figure, section, button, input");
"""


def browse(page, probe, folder):
    """What `probe` finds in a page, in a real browser."""
    found = queue.Queue()
    content = page.replace("</body>", HARNESS.replace("PROBE", probe)).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(content)

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
        [CHROMIUM, *flags.split(), f"--user-data-dir={folder / 'profile'}",
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
    assert "error" not in result, result["error"]
    assert result["state"] == "ready"
    return result


@in_browser
def test_the_player_in_a_browser(page, tmp_path):
    result = browse(page, CONTROLS, tmp_path)
    assert len(set(result["lengths"])) == 1
    assert result["lengths"][0] == pytest.approx(2.0, abs=0.1)
    assert result["moved"] > 0.2
    assert result["stems"] == [False, True, True, True, True]
    assert result["solo"] == [False, False, True, False, False]
    assert result["mute"] == [False, False, True, True, True]
    assert result["sought"] == pytest.approx(1.0, abs=0.3)
    assert len(result["pictures"]) == 9
    assert all(width > 40 for width in result["pictures"])
    assert result["paused"]


@in_browser
def test_what_is_heard_across_pieces(tmp_path, monkeypatch):
    """In every row the sound itself, from where it should begin, and all rows in step."""
    monkeypatch.setattr(report_page, "PIECE", 1)
    rate = 44100
    sound = music(4.3, rate, 1) + 0.02 * np.random.default_rng(1).standard_normal((1, 189630))
    sound = torch.from_numpy(sound.astype(np.float32))
    page = Separation([{"bass": sound, "drums": 0.5 * sound}], sound, rate).report(tmp_path / "r")
    result = browse(page.read_text(), RECORD, tmp_path)
    assert result["most"] <= 3  # pieces decoded at a time, of five
    assert result["after"] == [0, 0]
    for take, begin in (("whole", 0.0), ("part", 0.97)):
        rows = np.array(result[take])
        first = int(np.argmax(np.abs(rows[0]) > 1e-3)) - round(0.002 * result["rate"])
        expected = soxr.resample(sound[0].numpy(), rate, result["rate"])
        expected = expected[round(begin * result["rate"]) :]
        heard = rows[:, first : first + len(expected)]
        lags = [_lag(heard[0], expected, at, result["rate"]) for at in np.arange(0.2, 3.2, 0.1)]
        assert max(map(abs, lags)) < 0.005, "where it begins"
        assert max(lags) - min(lags) < 1e-4, "the pieces join"
        # Row against row there is nothing to forgive: three samples' delay would show as much.
        np.testing.assert_allclose(heard[1], heard[0], atol=0.05)
        np.testing.assert_allclose(heard[2], 0.5 * heard[0], atol=0.05)


def _lag(heard, expected, at, rate, length=0.1, reach=0.01):
    """Seconds by which `heard` is behind `expected` around `at`; asserts that they are alike."""
    start, stop, most = (round(x * rate) for x in (at, at + length, reach))
    wanted = expected[start:stop] / np.linalg.norm(expected[start:stop])
    likeness = []
    for lag in range(-most, most + 1):
        part = heard[start + lag : stop + lag]
        likeness.append(float(part @ wanted / (np.linalg.norm(part) + 1e-9)))
    assert max(likeness) > 0.9
    return (int(np.argmax(likeness)) - most) / rate


@in_browser
def test_a_phone_shows_all_and_can_be_touched(separation, tmp_path):
    text = separation.report(tmp_path / "r", title="a" * 90 + " and words").read_text()
    result = browse(text, PHONE, tmp_path)
    assert result["width"] <= 390
    assert len(result["touched"]) == 1 + 3 * 5
    assert all(width >= 44 and height >= 40 for *_, width, height in result["touched"])
    assert all(left >= 0 and right <= 390 for left, right, *_ in result["all"])


def test_reports_are_not_replaced_unasked(separation, tmp_path):
    path = tmp_path / "song.wav"
    path.write_bytes(b"music")
    with pytest.raises(AudioFileError, match=r"song.wav.* exists"):
        separation.report(path)
    assert path.read_bytes() == b"music"
    separation.report(path, overwrite=True)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (59.94, "0:59.9"), (59.97, "1:00"), (600, "10:00")]
)
def test_times(seconds, shown):
    assert report_page._clock(seconds) == shown


def test_what_the_player_leaves_out_is_told(tmp_path):
    surround = Separation([{"drums": torch.rand(6, 2000)}], torch.rand(6, 2000), 8000)
    page = surround.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "multichannel; the player has the first 2 channels" in page


@pytest.mark.parametrize("rate", [1, 79, 8000])
def test_rates_of_all_kinds(tmp_path, rate):
    low = Separation([{"drums": torch.rand(1, 4000)}], torch.rand(1, 4000), rate)
    assert low.report(tmp_path / "report.html").exists()
