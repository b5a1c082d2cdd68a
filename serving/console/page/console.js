// The console's page: takes snapshots from /console/events and draws them.
import { at, draw, h } from './elements.js';
import { drawEndpoints } from './endpoints.js';
import { followAddress } from './event.js';
import { clock, lagWords, rateText, whole } from './formats.js';
import { loopPicture, stageName } from './loop.js';
import { drawRuns } from './runs.js';
import { drawTimeline } from './timeline.js';
import { drawTopology } from './topology.js';

/** Three beats of the gateway: a connection that is silent for longer is dead, whatever the browser thinks. */
const SILENCE_MS_MAX = 35_000;
const RETRY_MS = 2000;
const shown = { state: null, loop: null, topology: null, width: 0, heardMs: 0 };

function drawLoop() {
  const { loop: arrows, width } = shown;
  if (arrows === null || arrows.length === 0 || width === 0) return;
  draw(at('loop-picture'), [arrows, width], () => [loopPicture(arrows, width)]);
  const cell = (words, className = null) => h('td', { class: className }, words);
  draw(at('loop-table'), arrows, () =>
    arrows.map(({ from, to, what, perSecond, total, lag }) =>
      h(
        'tr',
        {},
        cell(stageName(from)),
        cell(stageName(to)),
        cell(what),
        cell(rateText(perSecond), 'number'),
        cell(whole(total), 'number'),
        cell(lagWords(lag), 'number'),
      ),
    ),
  );
}

function drawState() {
  if (shown.state === null) return;
  drawEndpoints(shown.state.endpoints);
  drawRuns(shown.state.runs);
  drawTimeline(shown.state.timeline);
}

function tell(words, className) {
  const place = at('connection');
  if (place.textContent !== words) place.textContent = words;
  place.className = className;
}

function follow() {
  const events = new EventSource('/console/events');
  let watch = 0;
  const heard = () => {
    shown.heardMs = Date.now();
    tell('Live', 'live');
  };
  const lost = () => {
    if (at('connection').className !== 'lost')
      tell(
        shown.heardMs === 0
          ? 'No connection yet, trying …'
          : `Connection lost, as of ${clock(shown.heardMs)} UTC, trying again …`,
        'lost',
      );
  };
  const startAnew = () => {
    clearInterval(watch);
    events.close();
    setTimeout(follow, RETRY_MS);
  };
  events.addEventListener('open', heard);
  events.addEventListener('beat', heard);
  events.addEventListener('error', () => {
    lost();
    // the browser gives up where the answer was no stream: a gateway that is just starting
    if (events.readyState === EventSource.CLOSED) startAnew();
  });
  events.addEventListener('state', ({ data }) => {
    heard();
    shown.state = JSON.parse(data);
    drawState();
  });
  events.addEventListener('loop', ({ data }) => {
    heard();
    shown.loop = JSON.parse(data);
    drawLoop();
  });
  events.addEventListener('topology', ({ data }) => {
    heard();
    shown.topology = JSON.parse(data);
    drawTopology(shown.topology, shown.width);
  });
  watch = setInterval(() => {
    if (events.readyState !== EventSource.OPEN || Date.now() - shown.heardMs < SILENCE_MS_MAX) return;
    lost();
    startAnew();
  }, 5000);
}

new ResizeObserver(() => {
  const width = Math.floor(at('loop-picture').clientWidth);
  if (Math.abs(width - shown.width) < 2) return;
  shown.width = width;
  drawLoop();
  drawState();
  drawTopology(shown.topology, width);
}).observe(at('loop-picture'));
follow();
followAddress();
