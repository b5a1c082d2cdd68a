// The console over HTTP: its page, its state as JSON, and the same state pushed as Server-Sent Events while it changes.
import { readFileSync } from 'node:fs';
import { type ServerResponse } from 'node:http';
import { Failure } from '../../schemas/failure.ts';
import { type RoutePlugin } from '../gateway.ts';
import { type ConsoleState } from './fold.ts';
import { type Arrow } from './loop.ts';

export interface StoredEvent {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly written: string;
  readonly event: string;
  readonly value: unknown;
}

export interface ConsoleParts {
  readonly view: { readonly revision: number; state(): ConsoleState };
  loop(): readonly Arrow[];
  /** the lifecycle event at this offset, or null */
  eventAt(offset: number): Promise<StoredEvent | null>;
}

const FILES = [
  { path: '/', file: 'index.html', type: 'text/html; charset=utf-8' },
  { path: '/console/console.css', file: 'console.css', type: 'text/css; charset=utf-8' },
  { path: '/console/console.js', file: 'console.js', type: 'text/javascript; charset=utf-8' },
  { path: '/console/charts.js', file: 'charts.js', type: 'text/javascript; charset=utf-8' },
] as const;
/** The page asks nobody else for anything, and runs nothing but its own file. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TICK_MS = 1000;
/** A comment now and then tells proxies, and us, that the other side is still there. */
const HEARTBEAT_TICKS = 15;

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

/** One ticker for all open pages: what changed is turned into text once. It rests while nobody looks. */
class ConsoleStream {
  readonly #parts: ConsoleParts;
  readonly #pages = new Set<ServerResponse>();
  #ticker: NodeJS.Timeout | null = null;
  #revision = -1;
  #loop = '';
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
    const { view, loop } = this.#parts;
    page.write(`retry: 2000\n\n${eventText('state', view.state())}${eventText('loop', loop())}`);
    this.#pages.add(page);
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS);
  }

  #remove(page: ServerResponse): void {
    this.#pages.delete(page);
    if (this.#pages.size > 0 || this.#ticker === null) return;
    clearInterval(this.#ticker);
    this.#ticker = null;
  }

  #tick(): void {
    const { view, loop } = this.#parts;
    let text = '';
    if (view.revision !== this.#revision) {
      this.#revision = view.revision;
      text += eventText('state', view.state());
    }
    const arrows = eventText('loop', loop());
    if (arrows !== this.#loop) text += this.#loop = arrows;
    this.#ticks += 1;
    if (text === '' && this.#ticks % HEARTBEAT_TICKS === 0) text = ': still here\n\n';
    if (text === '') return;
    for (const page of this.#pages) {
      // a page that does not take what it was sent is let go: it comes back by itself, with a whole snapshot
      if (page.writableNeedDrain) page.destroy();
      else page.write(text);
    }
  }

  close(): void {
    for (const page of this.#pages) page.end();
  }
}

function eventText(name: string, value: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
}
