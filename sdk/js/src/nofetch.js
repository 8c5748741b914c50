// Imported before a module that wants no host: there the engine's own `fetch` is a trap, which no task can catch.

globalThis.fetch = async () => {
  throw new TypeError('the module wants no host: write `wants("http GET …")` at the top of a file');
};
