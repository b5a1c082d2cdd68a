// What goes wrong in a run, and when: drawn from the seed before it begins.
import { type Instance } from './instance.ts';
import { type Observer } from './observer.ts';
import { type Random } from './random.ts';
import { type World, SESSION_TIMEOUT_MS } from './world.ts';

export const FAULTS = [
  'kill',
  'power loss',
  'pause',
  'long pause',
  'leave',
  'join',
  'broker restart',
  'flush',
  'delete state',
  'damage state',
  'damage state in use',
  'put back older state',
  'strange state',
  'compact',
] as const;

/** All stand still for a day, the log forgets what was deleted, and one that was away for longer comes back alone, as it had been. */
const DAY_AWAY = 'a day away';

export type FaultKind = (typeof FAULTS)[number] | typeof DAY_AWAY;

export interface Fault {
  readonly atMs: number;
  readonly kind: FaultKind;
}

export function drawFaults(random: Random, spanMs: number): Fault[] {
  const kinds = FAULTS.filter(() => random.chance(0.6));
  const count = kinds.length === 0 ? 0 : random.int(0, 14);
  return Array.from({ length: count }, () => ({
    atMs: random.next() * spanMs,
    kind: random.pick(kinds) ?? 'kill',
  })).sort((a, b) => a.atMs - b.atMs);
}

/**
 * In the middle of everything, or when all is done, and most has been deleted.
 * @param random of its own: other faults are what they were
 */
export function drawDaysAway(random: Random, spanMs: number): Fault[] {
  const times = [random.next() * spanMs, Number.POSITIVE_INFINITY].filter(() => random.chance(0.2));
  return times.map((atMs) => ({ atMs, kind: DAY_AWAY }));
}

export interface Scene {
  readonly world: World;
  readonly instances: readonly Instance[];
  readonly observer: Observer;
  readonly random: Random;
  readonly changelogs: readonly string[];
}

const DOWN_MS_MAX = 800;
function compact({ changelogs, observer }: Scene): void {
  for (const topic of changelogs) observer.compact(topic);
}

export function inflict(kind: FaultKind, scene: Scene): void {
  const { world, instances, random } = scene;
  const one = random.pick(instances);
  if (one === undefined) return;
  world.note('fault', `${kind} (${one.name})`);
  const later = (ms: number, action: () => void): void => void world.time.schedule(ms, action);
  switch (kind) {
    case 'kill':
      one.kill('is killed');
      return later(random.int(0, DOWN_MS_MAX), () => one.start());
    case 'power loss':
      one.kill('loses power');
      one.disk.losePower(random);
      return later(random.int(100, DOWN_MS_MAX), () => one.start());
    case 'pause':
      return one.pauseFor(random.int(1, SESSION_TIMEOUT_MS - 100));
    case 'long pause':
      return one.pauseFor(random.int(SESSION_TIMEOUT_MS, 4 * SESSION_TIMEOUT_MS));
    case 'leave':
      one.leave().catch((error: unknown) => world.violated(error));
      return later(random.int(100, 2 * DOWN_MS_MAX), () => one.start());
    case 'join':
      return one.start();
    case 'broker restart':
      world.brokerGoesDown();
      return later(random.int(10, DOWN_MS_MAX), () => world.brokerComesUp());
    case 'flush':
      return one.disk.flush(random);
    case 'damage state in use': {
      const store = random.pick(one.disk.names);
      if (store !== undefined) one.disk.damage(store, random.pick(['part', 'whole']));
      return;
    }
    case 'compact':
      return compact(scene);
    case DAY_AWAY:
      return comeBackAfterADay(one, scene);
    default:
      return harmState(kind, one, scene);
  }
}

function comeBackAfterADay(one: Instance, scene: Scene): void {
  const { world, instances, random } = scene;
  for (const each of instances) each.kill('is killed');
  for (const store of one.disk.names) one.disk.putBack(store, random);
  // deletions go a day after the log cleaner has met them
  compact(scene);
  world.standStill();
  compact(scene);
  one.start();
  for (const other of instances) {
    if (other === one) continue;
    world.time.schedule(random.int(SESSION_TIMEOUT_MS, 4 * SESSION_TIMEOUT_MS), () => other.start());
  }
}

/** The machine is gone, and another takes its name: nothing is on its disk. */
export function replaceMachine({ world, instances, random }: Scene): void {
  const one = random.pick(instances);
  if (one === undefined) return;
  world.note('fault', `another machine (${one.name})`);
  one.kill('is gone');
  for (const store of one.disk.names) one.disk.delete(store);
  world.time.schedule(random.int(0, DOWN_MS_MAX), () => one.start());
}

/** While nobody has it open, something happens to one of the stores. */
function harmState(kind: FaultKind, one: Instance, { world, random }: Scene): void {
  one.kill('is killed');
  const store = random.pick(one.disk.names);
  if (store !== undefined) {
    world.note('fault', `${kind}: ${store}`);
    if (kind === 'delete state') one.disk.delete(store);
    if (kind === 'damage state') one.disk.damage(store, random.pick(['part', 'whole']));
    if (kind === 'put back older state') one.disk.putBack(store, random);
    if (kind === 'strange state') one.disk.replaceByStranger(store);
  }
  world.time.schedule(random.int(0, DOWN_MS_MAX), () => one.start());
}
