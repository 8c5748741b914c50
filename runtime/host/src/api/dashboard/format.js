// How numbers, times and names are written.

const UNITS = [
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
];

/** A number in at most four characters and a unit: `12.3k`. */
export function count(number) {
  if (number === null || number === undefined) return '–';
  const unit = UNITS.find(([size]) => Math.abs(number) >= size);
  if (!unit) return Number.isInteger(number) ? String(number) : number.toPrecision(2);
  const scaled = number / unit[0];
  return `${scaled >= 100 ? Math.round(scaled) : Number(scaled.toFixed(1))}${unit[1]}`;
}

/** A number in full, in groups of three. */
export const exact = (number) => (number === null || number === undefined ? '–' : number.toLocaleString('en'));

export function bytes(number) {
  if (number === null || number === undefined) return '–';
  if (number < 1024) return `${number} B`;
  const step = Math.min(4, Math.floor(Math.log2(number) / 10));
  return `${Number((number / 1024 ** step).toFixed(1))} ${['KiB', 'MiB', 'GiB', 'TiB'][step - 1]}`;
}

/** A span of seconds: `12 ms`, `3.4 s`, `5 m 12 s`, `2 d 3 h`. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds === 0) return '0 s';
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${seconds < 0.1 ? Number((seconds * 1e3).toFixed(1)) : Math.round(seconds * 1e3)} ms`;
  if (seconds < 60) return `${Number(seconds.toFixed(1))} s`;
  const steps = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'm'],
    [1, 's'],
  ];
  const first = steps.findIndex(([size]) => seconds >= size);
  const [size, unit] = steps[first];
  const rest = steps[first + 1] && Math.floor((seconds % size) / steps[first + 1][0]);
  return `${Math.floor(seconds / size)} ${unit}${rest ? ` ${rest} ${steps[first + 1][1]}` : ''}`;
}

/** How long ago a time was, or in how long it will be. */
export function ago(text, now = Date.now()) {
  const seconds = (now - Date.parse(text)) / 1000;
  if (Math.abs(seconds) < 1) return 'now';
  // Past the first few of a unit, the next smaller one is noise.
  const rough = span(Math.floor(Math.abs(seconds))).replace(/^(\d\d+|[4-9]) (\w) .*$/, '$1 $2');
  return seconds > 0 ? `${rough} ago` : `in ${rough}`;
}

/** A time of the user's own zone, to the second. */
export const moment = (text) =>
  new Date(text).toLocaleString('en-GB', {
    year: 'numeric',
    month: 'short',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });

export const clock = (ms, days) =>
  new Date(ms).toLocaleString(
    'en-GB',
    days ? { weekday: 'short', hour: '2-digit', minute: '2-digit' } : { hour: '2-digit', minute: '2-digit' },
  );

/** The ends of an id: its beginning is the time it was made, so its end tells it from its neighbours. */
export const short = (id) => (id.length > 16 ? `${id.slice(0, 8)}…${id.slice(-6)}` : id);

/** Seconds between two times, or null where one is not known. */
export const between = (from, to) => (from && to ? Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000) : null);

/** A span as a task's options hold it: a text, or seconds and nanoseconds. */
export function option(value) {
  if (value && typeof value === 'object' && 'secs' in value) return span(value.secs + (value.nanos ?? 0) / 1e9);
  if (value && typeof value === 'object' && !Array.isArray(value)) {
    return Object.entries(value)
      .map(([name, it]) => `${name} ${option(it)}`)
      .join(', ');
  }
  if (Array.isArray(value)) return value.map(option).join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export const plural = (number, one, many = `${one}s`) => `${exact(number)} ${number === 1 ? one : many}`;
