"""What a page's video sounds like, heard in the page: the spectrum now, and every sample since it began.

Samples are counted where the browser hands them to its sound card, not where it fetches or decodes:
a seam that a player bridges with silence, or by playing something twice, is heard as such. All is
told in the film's own seconds: a machine that is too slow for a while makes silence, but skips nothing.
"""

from typing import Any, Protocol

import msgspec

_WORKLET = """registerProcessor('ear', class extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    // What follows two samples of a pure tone: 2 cos(w) of the later less the earlier.
    this.turn = 2 * Math.cos(2 * Math.PI * processorOptions.hz / sampleRate);
    this.earlier = this.later = 0;
    this.heard = { loud: 0, torn: 0, rate: sampleRate };
    this.port.onmessage = () => this.port.postMessage(this.heard);
  }
  process([[samples]]) {
    let energy = 0, surprise = 0;
    for (const sample of samples || []) {
      energy += sample * sample;
      surprise = Math.max(surprise, Math.abs(sample - this.turn * this.later + this.earlier));
      this.earlier = this.later;
      this.later = sample;
    }
    if (samples && energy > 0.05 * samples.length) this.heard.loud += samples.length;
    if (surprise > 0.1) this.heard.torn += 1;
    return true;
  }
});"""
_LISTEN = """async ([worklet, hz]) => {
  const video = document.querySelector('video');
  const context = new AudioContext({ sampleRate: 48000 });
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], { type: 'text/javascript' })));
  const source = context.createMediaElementSource(video);
  const ear = new AudioWorkletNode(context, 'ear', { processorOptions: { hz } });
  const analyser = new AnalyserNode(context, { fftSize: 4096, smoothingTimeConstant: 0 });
  source.connect(analyser).connect(ear).connect(context.destination);
  const breaks = { waiting: 0, seeking: 0 };
  let begun = false;
  video.addEventListener('playing', () => { begun = true; });
  const count = ({ type }) => { if (begun && !video.ended) breaks[type] += 1; };
  for (const name in breaks) video.addEventListener(name, count);
  window.heard = () => new Promise((done) => {
    ear.port.onmessage = ({ data }) => done({ ...data, ...breaks });
    ear.port.postMessage('');
  });
  window.spectrum = () => {
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    const loudest = bins.indexOf(Math.max(...bins));
    // A tone spreads over so many bins of the analyser's window.
    const others = bins.filter((_, bin) => Math.abs(bin - loudest) > 8);
    return {
      hz: loudest * context.sampleRate / analyser.fftSize,
      level: bins[loudest],
      above: bins[loudest] - Math.max(...others),
    };
  };
}"""


class Page(Protocol):
    """What shows the video."""

    def evaluate(self, function: str, argument: Any = None) -> Any:
        """Return what `function` returns for `argument`, in the page."""
        ...


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What has come out of the video so far.

    Attributes:
        loud: Samples in blocks that were not silent.
        torn: Blocks in which something was not the tone: where it begins and ends, and where it jumps.
        rate: Samples a second.
        waiting: How often the video had to wait after it had begun.
        seeking: How often it was moved to another place.
    """

    loud: int
    torn: int
    rate: int
    waiting: int
    seeking: int

    @property
    def loud_s(self) -> float:
        """Seconds of the film that were not silent."""
        return self.loud / self.rate


def listen(page: Page, hz: float) -> None:
    """Begin to hear a page's video that plays a tone of `hz`; the page must not forbid blobs as scripts."""
    page.evaluate(_LISTEN, [_WORKLET, hz])


def heard(page: Page) -> Heard:
    """Return what has been heard since `listen`."""
    return msgspec.convert(page.evaluate("() => window.heard()"), Heard)


def tone_is_heard(hz: float) -> str:
    """Return an expression that holds while a page plays a tone of `hz`, and nothing else as loud as 1 %."""
    return f"((now) => Math.abs(now.hz - {hz}) < 15 && now.level > -30 && now.above > 40)(window.spectrum())"
