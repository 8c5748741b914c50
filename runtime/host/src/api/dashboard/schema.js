// What a JSON Schema asks for, as far as a form can ask for it. What it cannot becomes JSON that the user writes.

// A schema may hold itself; past this depth a form would be no help.
const DEEPEST = 5;

/** A schema with its `$ref`s followed; what stands beside a `$ref` goes before what it points to. */
export function deref(schema, root) {
  let at = schema;
  for (let hops = 0; at && typeof at === 'object' && typeof at.$ref === 'string' && hops < 20; hops += 1) {
    const { $ref, ...own } = at;
    const target = $ref
      .replace(/^#\/?/, '')
      .split('/')
      .filter(Boolean)
      .reduce((it, part) => it?.[part.replaceAll('~1', '/').replaceAll('~0', '~')], root);
    at = { ...(typeof target === 'object' ? target : {}), ...own };
  }
  return at && typeof at === 'object' ? at : {};
}

/**
 * The kind of field for a schema: `{ kind, nullable, schema, choices? }`, where the kind is one of `text`, `bytes`,
 * `integer`, `number`, `boolean`, `choice`, `object`, `array`, `any`.
 */
export function shape(schema, root, depth = 0) {
  const it = deref(schema, root);
  const of = (kind, more = {}) => ({ kind, nullable: false, schema: it, ...more });
  const options = it.anyOf ?? it.oneOf;
  if (options) {
    const known = options.map((one) => deref(one, root));
    const rest = known.filter((one) => one.type !== 'null' && one.const !== null);
    const nullable = rest.length < known.length;
    if (rest.length === 1) {
      const { anyOf, oneOf, ...own } = it;
      return { ...shape({ ...rest[0], ...own }, root, depth), nullable };
    }
    const choices = rest.flatMap(
      (one) =>
        one.enum?.map((value) => ({ value })) ??
        ('const' in one ? [{ value: one.const, note: one.description }] : [null]),
    );
    return choices.includes(null) ? of('any', { nullable }) : of('choice', { choices, nullable });
  }
  if (it.allOf?.length === 1) {
    const { allOf, ...own } = it;
    return shape({ ...deref(allOf[0], root), ...own }, root, depth);
  }
  if (it.enum) {
    const choices = it.enum.filter((value) => value !== null).map((value) => ({ value }));
    return of('choice', { choices, nullable: choices.length < it.enum.length });
  }
  if ('const' in it) return of('choice', { choices: [{ value: it.const }] });
  const types = [].concat(it.type ?? []);
  const plain = types.filter((type) => type !== 'null');
  const nullable = plain.length < types.length;
  if (plain.length !== 1 || depth >= DEEPEST) return of('any', { nullable });
  switch (plain[0]) {
    case 'string':
      return of(it.contentEncoding === 'base64' ? 'bytes' : 'text', { nullable });
    case 'integer':
    case 'number':
    case 'boolean':
      return of(plain[0], { nullable });
    case 'object':
      return of(Object.keys(it.properties ?? {}).length ? 'object' : 'any', { nullable });
    case 'array':
      return of(it.items && it.items !== true && !it.prefixItems ? 'array' : 'any', { nullable });
    default:
      return of('any', { nullable });
  }
}

/** The type of a field in a word or two. */
export function typeText({ kind, schema, nullable }, root) {
  const base =
    {
      text: 'text',
      bytes: 'file',
      choice: 'choice',
      object: 'object',
      any: 'JSON',
      integer: 'whole number',
      array: 'list',
    }[kind] ?? kind;
  const of = kind === 'array' ? ` of ${typeText(shape(schema.items, root), root)}` : '';
  const bounds = [
    schema.minimum !== undefined && `≥ ${schema.minimum}`,
    schema.maximum !== undefined && `≤ ${schema.maximum}`,
  ]
    .filter(Boolean)
    .join(', ');
  return `${base}${of}${bounds && `, ${bounds}`}${nullable ? ', or null' : ''}`;
}
