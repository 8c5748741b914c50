// A form made of a JSON Schema, and the value that it holds. Fields are known by a pointer, as the server's problems
// name them; what a list holds has a number of its own, so that removing one item renames no other's field.

import { h } from './dom.js';
import { button } from './parts.js';
import { shape, typeText } from './schema.js';

/** A value that cannot be read from its field. */
export class Unreadable extends Error {
  constructor(errors) {
    super('some fields cannot be read');
    Object.assign(this, { title: 'the form is not complete', detail: 'see the fields that are marked', errors });
  }
}

/** The state of a form over `schema`; `redraw` shows it anew. */
export class Form {
  constructor(schema, redraw) {
    this.root = schema;
    this.redraw = redraw;
    this.given = new Map();
    this.items = new Map();
    this.errors = [];
    this.next = 0;
  }

  /** All fields of the arguments. */
  fields() {
    const { properties = {}, required = [] } = this.root;
    return Object.entries(properties).map(([name, schema]) =>
      this.#field(schema, {
        name,
        label: name,
        at: `/${name}`,
        pointer: `/args/${escape(name)}`,
        required: required.includes(name),
        depth: 0,
      }),
    );
  }

  #field(schema, it) {
    const own = shape(schema, this.root, it.depth);
    const errors = this.errors.filter(
      (error) => error.pointer === it.pointer || (this.#isLeaf(own) && error.pointer?.startsWith(`${it.pointer}/`)),
    );
    const ids = { input: `f${it.at}`, note: `n${it.at}`, error: `e${it.at}` };
    const described =
      [own.schema.description && ids.note, errors.length && ids.error].filter(Boolean).join(' ') || null;
    const type = h(
      'span',
      { class: 'type', key: 'type' },
      typeText(own, this.root),
      it.required && h('span', { class: 'required' }, ' required'),
    );
    const after = [
      own.schema.description && h('small', { id: ids.note, key: 'note' }, own.schema.description),
      errors.length > 0 &&
        h('p', { class: 'field-error', id: ids.error, key: 'error' }, errors.map((error) => error.detail).join('; ')),
    ];
    const body = this.#isLeaf(own) ? null : own.kind === 'object' ? this.#object(own, it) : this.#array(own, it);
    if (body) {
      return h(
        'fieldset',
        { key: it.at, 'aria-describedby': described },
        h('legend', null, it.label, ' ', type),
        after,
        this.#optional(own, it) &&
          h(
            'label',
            { class: 'check' },
            h('input', {
              type: 'checkbox',
              checked: this.given.get(it.at) ?? false,
              onchange: (event) => {
                this.given.set(it.at, event.target.checked);
                this.redraw();
              },
            }),
            ' give it',
          ),
        (!this.#optional(own, it) || this.given.get(it.at)) && body,
      );
    }
    const props = {
      id: ids.input,
      name: it.at,
      'aria-describedby': described,
      'aria-invalid': errors.length ? 'true' : null,
      'aria-required': it.required ? 'true' : null,
    };
    return h(
      'div',
      { class: `field ${errors.length ? 'wrong' : ''}`, key: it.at },
      h('label', { for: ids.input }, it.label, ' ', type),
      this.#input(own, it, props),
      after,
    );
  }

  #isLeaf(own) {
    return own.kind !== 'object' && own.kind !== 'array';
  }

  #optional(own, it) {
    return !it.required || own.nullable;
  }

  #input(own, it, props) {
    const preset = own.schema.default;
    const none = this.#optional(own, it);
    switch (own.kind) {
      case 'text': {
        const long = own.schema.maxLength === undefined && !own.schema.format;
        const rows = {
          ...props,
          value: typeof preset === 'string' ? preset : '',
          placeholder: none ? 'left out where empty' : null,
          spellcheck: 'false',
        };
        return long ? h('textarea', { ...rows, rows: 1, class: 'grows' }) : h('input', { ...rows, type: 'text' });
      }
      case 'bytes':
        return h('input', { ...props, type: 'file' });
      case 'integer':
      case 'number':
        return h('input', {
          ...props,
          type: 'text',
          inputmode: own.kind === 'integer' ? 'numeric' : 'decimal',
          value: preset ?? '',
          autocomplete: 'off',
          placeholder: none ? 'left out where empty' : null,
        });
      case 'boolean':
        if (!none)
          return h('span', { class: 'check' }, h('input', { ...props, type: 'checkbox', checked: preset === true }));
        return this.#choose(
          props,
          [
            ['', '–'],
            ['true', 'true'],
            ['false', 'false'],
          ],
          preset === undefined || preset === null ? '' : String(preset),
        );
      case 'choice': {
        const choices = own.choices.map((one) => [
          JSON.stringify(one.value),
          one.note ? `${one.value}: ${one.note}` : String(one.value),
        ]);
        return this.#choose(
          props,
          none ? [['', '–'], ...choices] : choices,
          preset === undefined || preset === null ? (none ? '' : choices[0][0]) : JSON.stringify(preset),
        );
      }
      default:
        return h('textarea', {
          ...props,
          rows: 3,
          class: 'mono',
          spellcheck: 'false',
          placeholder: '{"any": "JSON"}',
          value: preset === undefined || preset === null ? '' : JSON.stringify(preset),
        });
    }
  }

  #choose(props, options, value) {
    return h(
      'select',
      { ...props, value },
      options.map(([own, label]) => h('option', { value: own, key: own }, label)),
    );
  }

  #object(own, it) {
    const required = own.schema.required ?? [];
    return h(
      'div',
      { class: 'nested', key: 'nested' },
      Object.entries(own.schema.properties).map(([name, schema]) =>
        this.#field(schema, this.#inner(it, name, required.includes(name))),
      ),
    );
  }

  #inner(it, name, required) {
    return {
      name,
      label: name,
      at: `${it.at}/${name}`,
      pointer: `${it.pointer}/${escape(name)}`,
      required,
      depth: it.depth + 1,
    };
  }

  #array(own, it) {
    const list = this.items.get(it.at) ?? [];
    return h(
      'div',
      { class: 'nested', key: 'nested' },
      list.map((id, index) =>
        h(
          'div',
          { class: 'item', key: id },
          this.#field(own.schema.items, this.#item(it, id, index)),
          button(
            'Remove',
            () => {
              this.items.set(
                it.at,
                list.filter((other) => other !== id),
              );
              this.redraw();
            },
            { kind: 'quiet', label: `Remove item ${index + 1} of ${it.label}` },
          ),
        ),
      ),
      button(
        `Add to ${it.label}`,
        () => {
          this.next += 1;
          this.items.set(it.at, [...list, this.next]);
          this.redraw();
        },
        { key: 'add' },
      ),
    );
  }

  #item(it, id, index) {
    return {
      name: String(index),
      label: String(index + 1),
      at: `${it.at}/#${id}`,
      pointer: `${it.pointer}/${index}`,
      required: true,
      depth: it.depth + 1,
    };
  }

  /** The arguments as they stand in `form`; throws `Unreadable` with the fields that are wrong. */
  async read(form) {
    const wrong = [];
    const { properties = {}, required = [] } = this.root;
    const out = {};
    for (const [name, schema] of Object.entries(properties)) {
      const it = {
        name,
        label: name,
        at: `/${name}`,
        pointer: `/args/${escape(name)}`,
        required: required.includes(name),
        depth: 0,
      };
      const value = await this.#value(schema, it, form, wrong);
      if (value !== undefined) out[name] = value;
    }
    if (wrong.length) throw new Unreadable(wrong);
    return out;
  }

  async #value(schema, it, form, wrong) {
    const own = shape(schema, this.root, it.depth);
    // What must be there and may be null is null where nothing is given.
    const nothing = it.required ? null : undefined;
    if (!this.#isLeaf(own)) {
      if (this.#optional(own, it) && !this.given.get(it.at)) return nothing;
      return own.kind === 'object' ? this.#readObject(own, it, form, wrong) : this.#readArray(own, it, form, wrong);
    }
    const input = form.elements.namedItem(it.at);
    const fail = (detail) => {
      wrong.push({ pointer: it.pointer, detail });
      return undefined;
    };
    if (own.kind === 'boolean' && input.type === 'checkbox') return input.checked;
    if (own.kind === 'bytes') {
      if (input.files.length) return base64(input.files[0]);
      return this.#optional(own, it) ? nothing : fail('choose a file');
    }
    const text = input.value;
    if (text === '' && this.#optional(own, it)) return nothing;
    if (own.kind === 'text') return text;
    return parse(own, text, fail);
  }

  async #readObject(own, it, form, wrong) {
    const out = {};
    const required = own.schema.required ?? [];
    for (const [name, inner] of Object.entries(own.schema.properties)) {
      const value = await this.#value(inner, this.#inner(it, name, required.includes(name)), form, wrong);
      if (value !== undefined) out[name] = value;
    }
    return out;
  }

  async #readArray(own, it, form, wrong) {
    const out = [];
    for (const [index, id] of (this.items.get(it.at) ?? []).entries()) {
      out.push(await this.#value(own.schema.items, this.#item(it, id, index), form, wrong));
    }
    return out;
  }
}

const escape = (name) => name.replaceAll('~', '~0').replaceAll('/', '~1');

function parse(own, text, fail) {
  if (own.kind === 'integer' || own.kind === 'number') {
    const number = Number(text.trim());
    if (text.trim() === '' || !Number.isFinite(number)) return fail('a number is wanted');
    if (own.kind === 'integer' && !Number.isInteger(number)) return fail('a whole number is wanted');
    // A browser would round it in silence.
    if (own.kind === 'integer' && !Number.isSafeInteger(number))
      return fail('too large for a browser: use `lovage call`');
    return number;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    return fail(`this is not JSON: ${error.message}`);
  }
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
