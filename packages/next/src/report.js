// What an app reports by itself: the operations guide's own lines, one JSON object each, for `palisade watch`.

import { emit } from './surroundings.js';

const TYPES = ['RATE_LIMIT', 'CSRF_FAILURE', 'AUTH_FAILURE', 'VALIDATION_FAILURE'];
const SEVERITIES = ['LOW', 'MEDIUM', 'HIGH'];
const SECRET = /pass|secret|token|cookie|authorization|card|cvc|api.?key|session/i;
const MAX_TEXT = 1_000;
const MAX_DEPTH = 4;

/** Reports something that the app itself has noticed. Values under names of secrets are left out. */
export function logSecurityEvent({ type, ip, userId, endpoint, details }) {
  if (!TYPES.includes(type)) throw new TypeError(`logSecurityEvent: type is one of ${TYPES.join(', ')}`);
  write({ type, ip, userId, endpoint, details });
}

/** Asks whoever watches to tell people. It writes an event; the watcher delivers, so nothing here waits. */
export async function sendAlert({ severity, message, ip, details }) {
  if (!SEVERITIES.includes(severity)) throw new TypeError(`sendAlert: severity is one of ${SEVERITIES.join(', ')}`);
  const text = String(message);
  // The last two are the words by which a detector knows both.
  write({ type: 'ALERT', severity, message: text, ip, details, action: `alert-${severity.toLowerCase()}`, 'error.type': text });
}

function write(event) {
  const environment = process.env.VERCEL_ENV ?? process.env.NODE_ENV;
  emit(`${JSON.stringify(clean({ timestamp: new Date().toISOString(), environment, ...event }, MAX_DEPTH))}\n`);
}

function clean(value, depth) {
  if (typeof value === 'string') return value.slice(0, MAX_TEXT);
  if (typeof value === 'bigint') return String(value);
  if (value === null || typeof value !== 'object') return value;
  if (depth === 0) return '...';
  if (Array.isArray(value)) return value.slice(0, 50).map((item) => clean(item, depth - 1));
  const kept = Object.entries(value).slice(0, 50).filter(([name]) => !SECRET.test(name));
  return Object.fromEntries(kept.map(([name, item]) => [name, clean(item, depth - 1)]));
}
