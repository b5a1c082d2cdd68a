// The console over HTTP: its page, its state as JSON, and the same state pushed as Server-Sent Events while it changes.
import { readFileSync } from 'node:fs';
import { type ServerResponse } from 'node:http';
import { Failure } from '../../schemas/failure.ts';
import { type RoutePlugin } from '../gateway.ts';
import { type ConsoleState } from './fold.ts';
import { type Arrow } from './loop.ts';
import { type ApplicationState } from './topology.ts';

export interface StoredEvent {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly written: string;
  readonly event: string;
  readonly value: unknown;
}

/** The applications that run, as they were when they were asked last. */
export interface RunningTopology {
  readonly applications: readonly ApplicationState[];
  /** Asks them again, unless that was just done. */
  refresh(): Promise<void>;
}

export interface ConsoleParts {
  readonly view: { readonly revision: number; state(): ConsoleState };
  loop(): readonly Arrow[];
  readonly topology: RunningTopology;
  /** the lifecycle event at this offset, or null */
  eventAt(offset: number): Promise<StoredEvent | null>;
}

const SCRIPTS = [
  'console',
  'elements',
  'formats',
  'loop',
  'charts',
  'endpoints',
  'drift',
  'runs',
  'topology',
  'timeline',
  'event',
];
const FILES: readonly { readonly path: string; readonly file: string; readonly type: string }[] = [
  { path: '/', file: 'index.html', type: 'text/html; charset=utf-8' },
  { path: '/console/console.css', file: 'console.css', type: 'text/css; charset=utf-8' },
  { path: '/console/icon.svg', file: 'icon.svg', type: 'image/svg+xml' },
  ...SCRIPTS.map((name) => ({
    path: `/console/${name}.js`,
    file: `${name}.js`,
    type: 'text/javascript; charset=utf-8',
  })),
];
/** The page asks nobody else for anything, and runs nothing but its own files. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TICK_MS = 1000;
/** A beat now and then tells proxies, and the page, that the other side is still there. The page waits for three. */
const BEAT_TICKS = 10;
/** A page that has not taken what it was sent for so long is let go: it comes back by itself. */
const STUCK_TICKS_MAX = 60;

export function consoleRoutes(parts: ConsoleParts): RoutePlugin {
  return async (app) => {
    for (const { path, file, type } of FILES) {
      const body = readFileSync(new URL(`page/${file}`, import.meta.url));
      app.get(path, async (_request, reply) =>
        reply
          .type(type)
          .headers({
            'content-security-policy': POLICY,
            'x-content-type-options': 'nosniff',
            'cache-control': 'no-cache',
          })
          .send(body),
      );
    }
    app.get('/console/state', async () => ({ ...parts.view.state(), loop: parts.loop() }));
    app.get('/console/topology', async () => {
      await parts.topology.refresh();
      return { applications: parts.topology.applications };
    });
    app.get<{ Params: { offset: string } }>('/console/event/:offset', async (request) => {
      const offset = Number(request.params.offset);
      if (!Number.isSafeInteger(offset) || offset < 0)
        throw new Failure('invalid_field', `${request.params.offset} is no offset.`, {
          field: 'offset',
          fix: 'Give a whole number from 0 on.',
        });
      const found = await parts.eventAt(offset);
      if (found === null)
        throw new Failure('unknown_name', `The lifecycle has no event at offset ${offset}.`, {
          field: 'offset',
          fix: 'Take an offset from the time line: transactions leave gaps between events.',
        });
      return found;
    });
    const stream = new ConsoleStream(parts);
    app.get('/console/events', (_request, reply) => {
      reply.hijack();
      stream.add(reply.raw);
    });
    app.addHook('preClose', async () => stream.close());
  };
}

type Texts = Pick<Sent, 'loop' | 'topology'>;

/** What a page was sent last. */
interface Sent {
  revision: number;
  loop: string;
  topology: string;
  stuckTicks: number;
}

/** One ticker for all open pages: what changed is turned into text once. It rests while nobody looks. */
class ConsoleStream {
  readonly #parts: ConsoleParts;
  readonly #pages = new Map<ServerResponse, Sent>();
  #ticker: NodeJS.Timeout | null = null;
  #state = { revision: -1, text: '' };
  #ticks = 0;

  constructor(parts: ConsoleParts) {
    this.#parts = parts;
  }

  add(page: ServerResponse): void {
    page.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    page.on('close', () => this.#remove(page));
    page.write('retry: 2000\n\n');
    const sent = { revision: -1, loop: '', topology: '', stuckTicks: 0 };
    this.#pages.set(page, sent);
    this.#send(page, sent, this.#texts(), '');
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS);
  }

  #remove(page: ServerResponse): void {
    this.#pages.delete(page);
    if (this.#pages.size > 0 || this.#ticker === null) return;
    clearInterval(this.#ticker);
    this.#ticker = null;
  }

  #tick(): void {
    this.#ticks += 1;
    const beat = this.#ticks % BEAT_TICKS === 0 ? eventText('beat', {}) : '';
    const texts = this.#texts();
    for (const [page, sent] of this.#pages) this.#send(page, sent, texts, beat);
  }

  // each text is a whole snapshot: a page on a slow line misses the ones in between, not the last
  #send(page: ServerResponse, sent: Sent, { loop, topology }: Texts, beat: string): void {
    if (page.writableNeedDrain) {
      sent.stuckTicks += 1;
      if (sent.stuckTicks > STUCK_TICKS_MAX) page.destroy();
      return;
    }
    sent.stuckTicks = 0;
    const state = this.#stateText();
    const text = [
      sent.revision === state.revision ? '' : state.text,
      sent.loop === loop ? '' : loop,
      sent.topology === topology ? '' : topology,
      beat,
    ].join('');
    sent.revision = state.revision;
    sent.loop = loop;
    sent.topology = topology;
    if (text !== '') page.write(text);
  }

  #stateText(): { readonly revision: number; readonly text: string } {
    const { view } = this.#parts;
    if (this.#state.revision !== view.revision)
      this.#state = { revision: view.revision, text: eventText('state', view.state()) };
    return this.#state;
  }

  #texts(): Texts {
    const { topology } = this.#parts;
    // what comes of it is told at the next tick; one that fails is told by whoever asks
    topology.refresh().catch(() => undefined);
    return {
      loop: eventText('loop', this.#parts.loop()),
      topology: eventText('topology', topology.applications),
    };
  }

  close(): void {
    for (const page of this.#pages.keys()) page.end();
  }
}

function eventText(name: string, value: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
}
