// The same work as `refundd bench`, done with BullMQ.
//
// One queue; a job submits a refund and adds the delayed job that asks for it until it is done.
// Prints one line of JSON, after it has counted that every refund settled exactly once. What is and
// is not comparable: ../README.md.

import { DelayedError, Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { Gateway } from './gateway.mjs';

const REDIS_URL = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379';
const GATEWAY_URL = process.env.GATEWAY_URL ?? 'http://127.0.0.1:8791';
const REFUNDS = number('REFUNDS', 20_000);
const POLLS = number('POLLS', 1);
const CONCURRENCY = number('CONCURRENCY', 64);
const DELAY_MS = number('DELAY_MS', 50);
const TIMEOUT_S = number('TIMEOUT_S', 600);

/** Where the results go. */
const RESULTS = 'peer:results';
/** Refunds that are added in one call. */
const CHUNK = 1_000;

function number(name, usual) {
  const value = Number(process.env[name] ?? usual);
  if (Number.isSafeInteger(value) && value > 0) return value;
  console.error(`error: ${name} must be a whole number above 0`);
  process.exit(2);
}

function fail(why) {
  console.error(`error: ${why}`);
  process.exit(1);
}

// Commands that are sent in the same turn of the event loop share a round trip.
const connect = () =>
  new Redis(REDIS_URL, { maxRetriesPerRequest: null, enableAutoPipelining: true });

const redis = connect();
const gateway = new Gateway(GATEWAY_URL, CONCURRENCY);
const queue = new Queue('refunds', {
  connection: connect(),
  defaultJobOptions: { removeOnComplete: true },
});
const run = Date.now().toString(36);
const refunds = Array.from({ length: REFUNDS }, (_, n) => ({
  no: `B${run}-${n}`,
  amount: 100 + (n % 900),
}));

let polls = 0;
let settled = 0;
let allSettled;
const end = new Promise((resolve) => {
  allSettled = resolve;
});

async function settle({ no, amount }) {
  await redis.xadd(RESULTS, '*', 'refund_no', no, 'status', 'SUCCESS', 'amount_cents', amount);
  settled += 1;
  if (settled === REFUNDS) allSettled();
}

// The first question is a new job: to finish the submit also brings the next job, in one script, and
// nothing has to be stored to tell that the submit was done. Further questions move that job back,
// which costs less than a new job and its finished predecessor.
async function step(job, token) {
  if (job.name === 'submit') {
    await gateway.submit(job.data);
    await queue.add('poll', job.data, { delay: DELAY_MS });
    return;
  }
  polls += 1;
  if (await gateway.isDone(job.data)) {
    await settle(job.data);
    return;
  }
  await job.moveToDelayed(Date.now() + DELAY_MS, token);
  throw new DelayedError();
}

const worker = new Worker('refunds', step, { connection: connect(), concurrency: CONCURRENCY });
worker.on('error', (error) => console.error(`worker: ${error.message}`));
worker.on('failed', (job, error) => fail(`${job?.name} of ${job?.data.no}: ${error.message}`));
await worker.waitUntilReady();

// From the first refund that is added to the last result, as refundd counts.
const began = performance.now();
const late = () => fail(`${settled} of ${REFUNDS} settled when time was up`);
const alarm = setTimeout(late, TIMEOUT_S * 1_000);
for (let at = 0; at < REFUNDS; at += CHUNK) {
  const chunk = refunds.slice(at, at + CHUNK);
  await queue.addBulk(chunk.map((data) => ({ name: 'submit', data })));
}
await end;
const seconds = (performance.now() - began) / 1_000;
clearTimeout(alarm);
await worker.close();

// Every refund has exactly one result, and was asked for as often as agreed.
const results = await redis.xrange(RESULTS, '-', '+');
const numbers = new Set(results.map(([, fields]) => fields[fields.indexOf('refund_no') + 1]));
const missing = refunds.filter(({ no }) => !numbers.has(no)).length;
if (missing > 0 || results.length !== REFUNDS || numbers.size !== REFUNDS) {
  fail(`${missing} missing; ${results.length} results of ${numbers.size} refunds`);
}
if (polls !== REFUNDS * POLLS) {
  fail(`${polls} polls, not ${POLLS} of each: how is the sandbox set?`);
}
const figures = {
  contender: 'bullmq',
  settled_per_second: Math.round(REFUNDS / seconds),
  seconds: Number(seconds.toFixed(3)),
  settled,
};
console.log(JSON.stringify(figures));
process.exit(0);
