// Builds what a page shows, and brings the document to it in place: what did not change is not touched, so a refresh
// takes away neither focus, nor what was typed, nor what was opened. Text and attributes are all that it ever sets:
// nothing that comes from a job can become markup.

const SVG = 'http://www.w3.org/2000/svg';

// Set as properties, and only when the page's own value changes: the user's survives a refresh.
const LIVE = new Set(['value', 'checked', 'disabled', 'open', 'indeterminate']);

/** An element to be: `props` are attributes, `on…` handlers, a `key` among its siblings, `ref` once it is there. */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, children: named(children) };
}

const shown = new WeakMap();

/** Makes `parent` hold exactly `children`. */
export function render(parent, ...children) {
  const next = named(children);
  patch(parent, shown.get(parent) ?? [], next, parent.namespaceURI === SVG);
  shown.set(parent, next);
}

// Each child gets a name from its place, or from its key within its list. So one that is absent shifts no other, and
// an element never becomes another one under the user's hand.
function named(children) {
  const out = [];
  const taken = new Set();
  const add = (node) => {
    // Two of one key would leave an element behind that nobody knows.
    while (taken.has(node.name)) node.name += '+';
    taken.add(node.name);
    out.push(node);
  };
  const walk = (list, prefix) =>
    list.forEach((child, index) => {
      if (child === null || child === undefined || child === false || child === true) return undefined;
      if (Array.isArray(child)) return walk(child, `${prefix}${index}.`);
      if (typeof child !== 'object') {
        return add({ tag: '#text', text: String(child), name: `${prefix}${index}#` });
      }
      const own = child.props.key === undefined ? index : `=${child.props.key}`;
      return add({ ...child, name: `${prefix}${own}<${child.tag}` });
    });
  walk(children, '');
  return out;
}

function patch(parent, before, after, svg) {
  const old = new Map(before.map((node) => [node.name, node]));
  for (const node of after) {
    const known = old.get(node.name);
    old.delete(node.name);
    if (known) update(node, known);
    else create(node, svg);
  }
  for (const gone of old.values()) gone.el.remove();
  let at = parent.firstChild;
  for (const node of after) {
    if (node.el === at) at = at.nextSibling;
    else parent.insertBefore(node.el, at);
  }
}

function create(node, svg) {
  if (node.tag === '#text') {
    node.el = document.createTextNode(node.text);
    return;
  }
  svg ||= node.tag === 'svg';
  node.el = svg ? document.createElementNS(SVG, node.tag) : document.createElement(node.tag);
  patch(node.el, [], node.children, svg);
  assign(node.el, {}, node.props);
  node.props.ref?.(node.el);
}

function update(node, known) {
  node.el = known.el;
  if (node.tag === '#text') {
    if (node.text !== known.text) node.el.nodeValue = node.text;
    return;
  }
  patch(node.el, known.children, node.children, node.el.namespaceURI === SVG);
  assign(node.el, known.props, node.props);
}

function assign(el, before, after) {
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const value = after[name];
    if (name === 'key' || name === 'ref' || value === before[name]) continue;
    if (name.startsWith('on')) el[name] = value ?? null;
    else if (LIVE.has(name)) el[name] = value ?? (name === 'value' ? '' : false);
    else if (value === null || value === undefined || value === false) el.removeAttribute(name);
    else el.setAttribute(name, value === true ? '' : String(value));
  }
}
