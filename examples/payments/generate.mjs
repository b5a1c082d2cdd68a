// Makes card payments, the questions about them and the answers, as three files of JSON lines. Seeded: the same seed, the same files.
// Any Node from 20 on; no dependencies.
//
//   node examples/payments/generate.mjs FOLDER [--days 35] [--per-day 600] [--seed 7]
//
// The world behind it: 300 cards, each with its own taste and hours, pay at 80 merchants. Now and then a card is stolen; the thief
// makes a few payments within two hours, dearer than what the owner buys and more often at electronics shops. Nothing of this is
// written into the events: a model has to see it in the windows.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    days: { type: 'string', default: '35' },
    'per-day': { type: 'string', default: '600' },
    seed: { type: 'string', default: '7' },
  },
});
const [folder] = positionals;
const [days, perDay, seed] = [Number(values.days), Number(values['per-day']), Number(values.seed)];
if (folder === undefined || !(days > 0) || !(perDay > 0) || !Number.isInteger(seed)) {
  console.error('Usage: node generate.mjs FOLDER [--days 35] [--per-day 600] [--seed 7]');
  process.exit(2);
}

const FIRST_DAY_MS = Date.parse('2026-03-01T00:00:00Z');
const [SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS] = [1000, 60_000, 3_600_000, 86_400_000];
/** A payment is booked this long after the question about it. */
const BOOKED_AFTER_MS = 2 * SECOND_MS;
/** After this long it is known of every payment whether it was disputed. */
const SETTLED_AFTER_MS = 3 * DAY_MS;
const CATEGORIES = ['grocery', 'fuel', 'restaurant', 'travel', 'electronics'];
/** Of owners' payments, by category. */
const OWNER_SHARES = [0.45, 0.2, 0.2, 0.08, 0.07];
const THIEF_SHARES = [0.15, 0.1, 0.1, 0.2, 0.45];
/** Thefts per card and day. */
const THEFT_RATE = 0.016;

let state = seed >>> 0;
/** mulberry32: uniform in [0, 1). */
function uniform() {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

function normal() {
  return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

function between(from, to) {
  return from + (to - from) * uniform();
}

/** An index, drawn by its share. */
function drawn(shares) {
  let left = uniform() * shares.reduce((sum, share) => sum + share, 0);
  for (const [index, share] of shares.entries()) {
    left -= share;
    if (left < 0) return index;
  }
  return shares.length - 1;
}

const named = (what, count, digits) =>
  Array.from({ length: count }, (_, index) => `${what}-${String(index + 1).padStart(digits, '0')}`);
const merchants = named('merchant', 80, 2).map((name, index) => ({
  name,
  category: CATEGORIES[index % CATEGORIES.length],
}));
const cards = named('card', 300, 3).map((name) => ({
  name,
  /** typical amount */
  amount: Math.exp(3.2 + 0.5 * normal()),
  /** payments relative to other cards */
  weight: Math.exp(0.6 * normal()),
  hour: between(9, 20),
}));

function payment(card, timeMs, shares, dearer, fraud) {
  const category = CATEGORIES[drawn(shares)];
  const there = merchants.filter((merchant) => merchant.category === category);
  const merchant = there[Math.floor(uniform() * there.length)];
  const amount = Math.round(100 * card.amount * dearer * Math.exp(0.6 * normal())) / 100;
  return { card: card.name, merchant: merchant.name, category, amount, timeMs: Math.round(timeMs), fraud };
}

function paymentsOfDay(day) {
  const startMs = FIRST_DAY_MS + day * DAY_MS;
  const made = [];
  const weights = cards.map(({ weight }) => weight);
  for (let count = 0; count < perDay; count += 1) {
    const card = cards[drawn(weights)];
    const hour = (((card.hour + 3 * normal()) % 24) + 24) % 24;
    made.push(payment(card, startMs + hour * HOUR_MS, OWNER_SHARES, 1, false));
  }
  for (const card of cards) {
    if (uniform() >= THEFT_RATE) continue;
    let timeMs = startMs + between(0, 24) * HOUR_MS;
    for (let left = 3 + Math.floor(between(0, 5)); left > 0; left -= 1) {
      made.push(payment(card, timeMs, THIEF_SHARES, between(1.2, 3), true));
      timeMs += between(4, 30) * MINUTE_MS;
    }
  }
  return made;
}

const endMs = FIRST_DAY_MS + days * DAY_MS;
const all = Array.from({ length: days }, (_, day) => paymentsOfDay(day))
  .flat()
  .filter(({ timeMs }) => timeMs < endMs)
  .sort((a, b) => a.timeMs - b.timeMs)
  .map((made, index) => ({ ...made, id: `p${String(index + 1).padStart(6, '0')}` }));

const files = {
  // may this payment go through?
  'requests.jsonl': all.map(({ id, timeMs, card, merchant, category, amount }) => ({
    request_id: id,
    requested_at: timeMs,
    card,
    merchant,
    category,
    amount,
    hour: new Date(timeMs).getUTCHours(),
  })),
  // what was booked
  'payments.jsonl': all.map(({ id, timeMs, card, merchant, amount }) => ({
    payment_id: id,
    booked_at: timeMs + BOOKED_AFTER_MS,
    card,
    merchant,
    amount,
  })),
  // was it disputed?
  'outcomes.jsonl': all.map(({ id, timeMs, fraud }) => ({
    request_id: id,
    known_at: timeMs + SETTLED_AFTER_MS,
    label: fraud ? 1 : 0,
  })),
};
mkdirSync(folder, { recursive: true });
for (const [name, lines] of Object.entries(files))
  writeFileSync(join(folder, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
const frauds = all.filter(({ fraud }) => fraud).length;
console.log(`${all.length} payments of ${days} days, ${frauds} of them fraud, in ${folder}`);
