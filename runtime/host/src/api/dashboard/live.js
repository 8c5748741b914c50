// The stream of events, read with `fetch` since an EventSource cannot send a token. It goes on where it was after a
// break, waits longer after each one that fails, and says `gap` where events may have been lost.

import { path, request } from './api.js';

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
// The server says something every 15 seconds: three times that without a word is a dead connection.
const SILENCE = 45_000;

/** Server-sent events out of text that comes in pieces. */
export class Parser {
  #rest = '';
  #event = { type: '', data: [] };

  constructor(each) {
    this.each = each;
    this.id = null;
  }

  push(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    lines.forEach((line) => this.#line(line));
  }

  #line(line) {
    if (line === '') return this.#end();
    const colon = line.indexOf(':');
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#event.type = value;
    else if (field === 'data') this.#event.data.push(value);
    else if (field === 'id') this.id = value;
    return undefined;
  }

  #end() {
    const { type, data } = this.#event;
    this.#event = { type: '', data: [] };
    if (data.length === 0 && type === '') return;
    let value = null;
    try {
      value = JSON.parse(data.join('\n'));
    } catch {
      /* an event without data is still a reason to look */
    }
    this.each({ type: type || 'message', data: value });
  }
}

/** A stream that is kept open until it is closed. */
export class Live {
  #stop = null;
  #last = null;
  #filter = {};

  /** `event` gets each event, `state` one of `live`, `waiting`, `off`. */
  constructor(event, state) {
    this.event = event;
    this.state = state;
  }

  /** Opens the stream of what `filter` names; does nothing where that one is open. */
  open(filter = {}) {
    if (this.#stop && JSON.stringify(filter) === JSON.stringify(this.#filter)) return;
    this.close();
    this.#filter = filter;
    this.#stop = new AbortController();
    this.#run(this.#stop.signal);
  }

  close() {
    this.#stop?.abort();
    this.#stop = null;
    this.#last = null;
  }

  async #run(signal) {
    let wait = FIRST_WAIT;
    let broke = false;
    while (!signal.aborted) {
      try {
        await this.#read(signal, () => {
          wait = FIRST_WAIT;
          this.state('live');
          if (broke) this.event({ type: 'gap', data: null });
        });
      } catch (problem) {
        if (signal.aborted) return;
        if ([401, 403, 404].includes(problem.status)) {
          this.#stop = null;
          return this.state('off');
        }
      }
      if (signal.aborted) return undefined;
      broke = true;
      this.state('waiting');
      // Not all pages that lost one server come back in the same moment.
      await new Promise((resolve) => {
        setTimeout(resolve, wait * (0.75 + Math.random() / 2));
      });
      wait = Math.min(wait * 2, LONGEST_WAIT);
    }
    return undefined;
  }

  async #read(signal, opened) {
    const connection = new AbortController();
    const end = () => connection.abort();
    signal.addEventListener('abort', end);
    let silence = setTimeout(end, SILENCE);
    try {
      const headers = { Accept: 'text/event-stream' };
      if (this.#last !== null) headers['Last-Event-ID'] = this.#last;
      const response = await request(path('events', this.#filter), { headers, signal: connection.signal });
      opened();
      const parser = new Parser((event) => {
        this.#last = parser.id ?? this.#last;
        this.event(event);
      });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        clearTimeout(silence);
        silence = setTimeout(end, SILENCE);
        parser.push(value);
      }
    } finally {
      clearTimeout(silence);
      signal.removeEventListener('abort', end);
    }
  }
}
